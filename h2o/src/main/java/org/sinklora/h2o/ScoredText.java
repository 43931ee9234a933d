package org.sinklora.h2o;

/** A text that goes through its cache token by token, with the loss of every token. */
final class ScoredText {
  private final int[] tokens;
  private final CachedSequence sequence;
  private final int firstScored;
  private final double[] nats;
  private long cacheBytes;

  /**
   * @param firstScored tokens before it are read and not scored, at least one
   */
  ScoredText(int[] tokens, CachedSequence sequence, int firstScored) {
    this.tokens = tokens;
    this.sequence = sequence;
    this.firstScored = firstScored;
    this.nats = new double[tokens.length];
  }

  CachedSequence sequence() {
    return sequence;
  }

  /** Lets go of the cache. */
  void end() {
    cacheBytes = sequence.cache().residentBytes();
    sequence.cache().close();
  }

  /** What the cache took in the end. */
  long cacheBytes() {
    return cacheBytes;
  }

  int length() {
    return tokens.length;
  }

  int predictions() {
    return predictions(0, tokens.length);
  }

  /** How many of the tokens of a stretch are scored. */
  int predictions(int from, int to) {
    return Math.max(0, to - Math.max(from, firstScored));
  }

  double loss() {
    return loss(0, tokens.length);
  }

  /** The sum of the losses of a stretch, in nats. */
  double loss(int from, int to) {
    double loss = 0;
    for (int i = from; i < to; i++) {
      loss += nats[i];
    }
    return loss;
  }

  /**
   * Scores the prediction of the next token and feeds it.
   *
   * @return whether another one is to be predicted
   * @throws ArithmeticException if the logits are not finite
   */
  boolean score(float[] logits, int at, int vocabulary) {
    int position = sequence.position();
    int next = tokens[position];
    nats[position] = Logprobs.logSumExp(logits, at, vocabulary) - logits[at + next];
    if (!Double.isFinite(nats[position])) {
      throw new ArithmeticException(
          "The loss of token %d is %s; the weights hold NaN, or are too large"
              .formatted(position, nats[position]));
    }
    sequence.feed(next);
    return position < tokens.length - 1;
  }
}
