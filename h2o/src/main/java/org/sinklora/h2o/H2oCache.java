package org.sinklora.h2o;

/**
 * Keeps the last tokens, and of the older ones those that have drawn the most attention so far: the
 * heavy hitters of H2O, arXiv 2306.14048.
 *
 * <p>A position's score is the sum of the softmax probabilities that all queries so far, of all
 * query heads that share the kv head, have given it. Of equal scores the older position goes.
 *
 * @param heavy how many of the older ones, at least 1
 * @param recent how many of the last, at least 1
 */
public record H2oCache(TokenCount heavy, TokenCount recent) implements KvCachePolicy {

  /**
   * @throws IllegalArgumentException if a size is 0
   */
  public H2oCache {
    if (heavy.isBelow(1)) {
      throw new IllegalArgumentException(
          "h2o: heavy is %s; expected at least 1, or use streaming:sinks=0".formatted(heavy));
    }
    if (recent.isBelow(1)) {
      throw new IllegalArgumentException(
          "h2o: recent is %s; expected at least 1, since a token attends to itself"
              .formatted(recent));
    }
  }

  @Override
  public H2oCache resolve(int promptTokens) {
    return new H2oCache(
        TokenCount.tokens(heavy.resolve(promptTokens)),
        TokenCount.tokens(recent.resolve(promptTokens)));
  }

  @Override
  public int capacity() {
    return Math.addExact(heavy.resolve(0), recent.resolve(0));
  }

  @Override
  public int keptOf(int promptTokens) {
    return Math.min(promptTokens, capacity());
  }

  @Override
  public int scoringQueries(int promptTokens) {
    return promptTokens;
  }

  @Override
  public boolean scoresDecoding() {
    return true;
  }

  @Override
  public int[] keep(double[] scores, int promptTokens) {
    int older = Math.max(0, promptTokens - recent.resolve(0));
    return KeptPositions.join(
        KeptPositions.heaviest(scores, older, heavy.resolve(0)),
        KeptPositions.range(older, promptTokens));
  }

  @Override
  public int victim(CacheSlots slots) {
    return slots.alive() <= capacity()
        ? NONE
        : slots.lightestBefore(slots.lastPosition() - recent.resolve(0) + 1);
  }

  @Override
  public String toString() {
    return "h2o:heavy=%s,recent=%s".formatted(heavy, recent);
  }
}
