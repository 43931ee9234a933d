package org.sinklora.lora;

import java.io.Serializable;

/**
 * The loss of one window under full attention.
 *
 * @param sum summed cross-entropy, in nats
 * @param predictions number of predicted tokens
 */
public record WindowLoss(double sum, int predictions) implements Serializable {

  /**
   * Evaluates a window.
   *
   * @param window token ids, at least two
   * @param tail how many predictions count, the last ones; {@link Integer#MAX_VALUE} for all
   * @throws IllegalArgumentException if there is nothing to predict
   */
  public static WindowLoss of(ModelPass pass, int[] window, int tail) {
    int last = window.length - 1;
    int first = Math.max(0, last - tail);
    if (last < 1) {
      throw new IllegalArgumentException(
          "A window of " + window.length + " tokens has nothing to predict");
    }
    float[] losses = pass.losses(TokenBatch.of(window), AttentionPlan.FULL);
    double sum = 0;
    for (int i = first; i < last; i++) {
      sum += losses[i];
    }
    return new WindowLoss(sum, last - first);
  }

  double mean() {
    return sum / predictions;
  }
}
