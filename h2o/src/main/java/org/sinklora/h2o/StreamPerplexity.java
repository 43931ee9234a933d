package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;

/**
 * Perplexity along one long stream of text that is decoded token by token, window by window:
 * whether a model stays fluent past the length it was trained for.
 *
 * @param policy the cache's policy
 * @param positions positions of cached keys
 * @param tokens of the stream
 * @param value e to the mean loss of all tokens but the first
 * @param windowTokens tokens of a window; the last one may be shorter
 * @param windows perplexity of each window of the stream, in its order
 * @param tokensPerSecond decoded tokens a second
 * @param cacheBytes bytes of the cache at the end
 */
public record StreamPerplexity(
    String policy,
    RopePositions positions,
    int tokens,
    double value,
    int windowTokens,
    List<Double> windows,
    double tokensPerSecond,
    long cacheBytes) {

  /**
   * Scores a stream.
   *
   * @param adapter a name the generator knows; empty for the base
   * @param stream token ids, at least two
   * @param windowTokens tokens of a window, at least two
   * @param options how it is read; all its tokens but the prompt's are scored
   * @throws IllegalArgumentException if the stream or the windows are too short, or there is no
   *     such adapter
   * @throws ArithmeticException if logits are not finite
   */
  public static StreamPerplexity of(
      Generator generator, String adapter, int[] stream, int windowTokens, ScoringOptions options) {
    if (windowTokens < 2 || windowTokens <= options.promptTokens()) {
      throw new IllegalArgumentException(
          "A window of %d tokens; expected at least 2, and more than the %d of the prompt"
              .formatted(windowTokens, options.promptTokens()));
    }
    TextScoring scoring =
        TextScoring.of(generator, generator.model(adapter), List.of(stream), options);
    ScoredText text = scoring.texts().get(0);
    List<Double> windows = new ArrayList<>();
    for (int from = 0; from < stream.length; from += windowTokens) {
      windows.add(perplexity(text, from, Math.min(stream.length, from + windowTokens)));
    }
    return new StreamPerplexity(
        options.policy().toString(),
        options.rope(),
        stream.length,
        perplexity(text, 0, stream.length),
        windowTokens,
        List.copyOf(windows),
        scoring.tokensPerSecond(),
        scoring.cacheBytes());
  }

  private static double perplexity(ScoredText text, int from, int to) {
    return Math.exp(text.loss(from, to) / text.predictions(from, to));
  }
}
