package org.sinklora.h2o;

import java.util.Arrays;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Chooses the tokens of one sequence. It works on arrays of its own that are allocated once.
 *
 * <p>Candidates are longs that sort like their logits: the order-preserving bits of the logit
 * above, the inverted id below, so that of equal logits the smaller id comes first.
 */
final class Sampler {
  private final Sampling sampling;
  private final SplittableRandom random;
  private final int vocabulary;
  private final float[] adjusted;
  private final boolean[] seen;
  private final long[] candidates;
  private final double[] weights;

  Sampler(Sampling sampling, int vocabulary) {
    this.sampling = sampling;
    this.random = new SplittableRandom(sampling.seed());
    this.vocabulary = vocabulary;
    boolean greedy = sampling.temperature() == 0;
    this.adjusted = new float[vocabulary];
    this.seen = sampling.repetitionPenalty() == 1 ? null : new boolean[vocabulary];
    this.candidates = greedy ? null : new long[vocabulary];
    this.weights = greedy ? null : new double[vocabulary];
  }

  /** Counts a token of the prompt or of the answer as part of the text. */
  void see(int token) {
    if (seen != null) {
      seen[token] = true;
    }
  }

  /**
   * The next token.
   *
   * @throws ArithmeticException if a logit is NaN or infinite
   */
  int next(float[] logits, int at) {
    System.arraycopy(logits, at, adjusted, 0, vocabulary);
    for (int i = 0; i < vocabulary; i++) {
      if (!Float.isFinite(adjusted[i])) {
        throw new ArithmeticException("the logit of token %d is %s".formatted(i, adjusted[i]));
      }
    }
    adjust();
    int token = sampling.temperature() == 0 ? mostProbable() : draw();
    see(token);
    return token;
  }

  private void adjust() {
    float penalty = (float) sampling.repetitionPenalty();
    for (int i = 0; seen != null && i < vocabulary; i++) {
      if (seen[i]) {
        adjusted[i] = adjusted[i] > 0 ? adjusted[i] / penalty : adjusted[i] * penalty;
      }
    }
    for (Map.Entry<Integer, Float> bias : sampling.logitBias().entrySet()) {
      adjusted[bias.getKey()] += bias.getValue();
    }
  }

  private int mostProbable() {
    int best = 0;
    for (int i = 1; i < vocabulary; i++) {
      if (adjusted[i] > adjusted[best]) {
        best = i;
      }
    }
    return best;
  }

  private int draw() {
    double maximum = adjusted[mostProbable()];
    boolean filterK = sampling.topK() > 0 && sampling.topK() < vocabulary;
    int count = filterK ? topK(sampling.topK()) : all(maximum);
    double sum = 0;
    for (int i = 0; i < count; i++) {
      weights[i] = weight(adjusted[id(candidates[i])], maximum);
      sum += weights[i];
    }
    double wanted = sum * sampling.topP();
    if (sampling.topP() < 1) {
      double kept = 0;
      int first = 0;
      while (first < count && kept < wanted) {
        kept += weights[first];
        first++;
      }
      count = first;
      sum = kept;
    }
    double left = random.nextDouble() * sum;
    for (int i = 0; i < count; i++) {
      left -= weights[i];
      if (left < 0) {
        return id(candidates[i]);
      }
    }
    return id(candidates[count - 1]);
  }

  private double weight(float logit, double maximum) {
    return Math.exp((logit - maximum) / sampling.temperature());
  }

  /** Fills the candidates with all tokens that top-p may choose, most probable first. */
  private int all(double maximum) {
    double total = 0;
    for (int i = 0; i < vocabulary; i++) {
      total += weight(adjusted[i], maximum);
    }
    // Tokens below this weight together hold less than top-p leaves out: no need to sort them.
    double least = total * (1 - sampling.topP()) / vocabulary;
    int count = 0;
    for (int i = 0; i < vocabulary; i++) {
      if (weight(adjusted[i], maximum) >= least) {
        candidates[count] = key(i);
        count++;
      }
    }
    sortDescending(count);
    return count;
  }

  /** Fills the candidates with the k most probable tokens, the most probable first. */
  private int topK(int k) {
    int count = 0;
    long least = Long.MIN_VALUE;
    for (int i = 0; i < vocabulary; i++) {
      long key = key(i);
      if (count == k && key <= least) {
        continue;
      }
      if (count < k) {
        candidates[count] = key;
        count++;
        siftUp(count - 1);
      } else {
        candidates[0] = key;
        siftDown(count);
      }
      least = candidates[0];
    }
    sortDescending(count);
    return count;
  }

  private void siftUp(int from) {
    int child = from;
    while (child > 0 && candidates[child] < candidates[(child - 1) / 2]) {
      swap(child, (child - 1) / 2);
      child = (child - 1) / 2;
    }
  }

  private void siftDown(int count) {
    int parent = 0;
    while (2 * parent + 1 < count) {
      int child = 2 * parent + 1;
      if (child + 1 < count && candidates[child + 1] < candidates[child]) {
        child++;
      }
      if (candidates[parent] <= candidates[child]) {
        return;
      }
      swap(parent, child);
      parent = child;
    }
  }

  private void swap(int i, int j) {
    long held = candidates[i];
    candidates[i] = candidates[j];
    candidates[j] = held;
  }

  private void sortDescending(int count) {
    Arrays.sort(candidates, 0, count);
    for (int i = 0, j = count - 1; i < j; i++, j--) {
      swap(i, j);
    }
  }

  private long key(int id) {
    int bits = Float.floatToRawIntBits(adjusted[id] + 0f);
    int ordered = bits ^ ((bits >> 31) & Integer.MAX_VALUE);
    return ((long) ordered << 32) | (Integer.MAX_VALUE - id);
  }

  private static int id(long key) {
    return Integer.MAX_VALUE - (int) key;
  }
}
