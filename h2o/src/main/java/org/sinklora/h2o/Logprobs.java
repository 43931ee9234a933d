package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;

/** Log-probabilities from a row of logits. */
final class Logprobs {
  private Logprobs() {}

  /** {@code log Σ e^logit}. */
  static double logSumExp(float[] logits, int at, int n) {
    double maximum = Double.NEGATIVE_INFINITY;
    for (int i = at; i < at + n; i++) {
      maximum = Math.max(maximum, logits[i]);
    }
    double sum = 0;
    for (int i = at; i < at + n; i++) {
      sum += Math.exp(logits[i] - maximum);
    }
    return maximum + Math.log(sum);
  }

  /** The {@code count} most probable tokens, best first. */
  static List<TokenLogprob> best(float[] logits, int at, int n, int count, double logSumExp) {
    PriorityQueue<TokenLogprob> best =
        new PriorityQueue<>(
            Comparator.comparingDouble(TokenLogprob::logprob)
                .thenComparing(TokenLogprob::token, Comparator.reverseOrder()));
    for (int i = 0; i < n && count > 0; i++) {
      double logprob = logits[at + i] - logSumExp;
      if (best.size() < count || logprob > best.element().logprob()) {
        best.add(new TokenLogprob(i, logprob));
      }
      if (best.size() > count) {
        best.remove();
      }
    }
    List<TokenLogprob> descending = new ArrayList<>();
    while (!best.isEmpty()) {
      descending.add(0, best.remove());
    }
    return descending;
  }
}
