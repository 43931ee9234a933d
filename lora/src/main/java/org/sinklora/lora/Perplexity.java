package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;

/**
 * Perplexity of token windows under full attention: e to the mean loss over all predicted tokens.
 *
 * @param value the perplexity
 * @param meanLoss mean cross-entropy, in nats a token
 * @param standardError of the mean loss, from the spread of the windows' means
 * @param windows number of windows
 * @param predictions number of predicted tokens
 */
public record Perplexity(
    double value, double meanLoss, double standardError, int windows, long predictions) {

  /**
   * Evaluates windows one after the other.
   *
   * @param windows token ids, each at least two
   * @throws IllegalArgumentException if there is no window, or one has nothing to predict
   */
  public static Perplexity of(ModelPass pass, List<int[]> windows) {
    return of(pass, windows, Integer.MAX_VALUE);
  }

  /**
   * The same over the last {@code tail} predictions of each window alone: what the far context is
   * worth.
   */
  public static Perplexity of(ModelPass pass, List<int[]> windows, int tail) {
    List<WindowLoss> losses = new ArrayList<>(windows.size());
    for (int[] window : windows) {
      losses.add(WindowLoss.of(pass, window, tail));
    }
    return of(losses);
  }

  /**
   * The perplexity over windows that were evaluated before, wherever that was.
   *
   * @throws IllegalArgumentException if there is none
   */
  public static Perplexity of(List<WindowLoss> windows) {
    if (windows.isEmpty()) {
      throw new IllegalArgumentException("There is no window to evaluate: no text is long enough");
    }
    double sum = 0;
    long predictions = 0;
    for (WindowLoss window : windows) {
      sum += window.sum();
      predictions += window.predictions();
    }
    double meanLoss = sum / predictions;
    double[] means = windows.stream().mapToDouble(WindowLoss::mean).toArray();
    return new Perplexity(
        Math.exp(meanLoss), meanLoss, standardError(means), means.length, predictions);
  }

  private static double standardError(double[] means) {
    if (means.length < 2) {
      return Double.NaN;
    }
    double mean = 0;
    for (double m : means) {
      mean += m / means.length;
    }
    double squares = 0;
    for (double m : means) {
      squares += (m - mean) * (m - mean);
    }
    return Math.sqrt(squares / (means.length - 1) / means.length);
  }
}
