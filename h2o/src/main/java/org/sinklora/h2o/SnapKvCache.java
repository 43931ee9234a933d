package org.sinklora.h2o;

/**
 * Cuts the prompt once, after it has been read: to its last {@code window} tokens and those older
 * ones that the window's queries attend to the most. Generated tokens are all kept. SnapKV, arXiv
 * 2404.14469, without its pooling over neighbours.
 *
 * @param budget tokens of the prompt that stay, the window included
 * @param window the last tokens, which choose, at least 1
 */
public record SnapKvCache(TokenCount budget, TokenCount window) implements KvCachePolicy {

  /**
   * @throws IllegalArgumentException if a size is 0, or the budget does not exceed the window
   */
  public SnapKvCache {
    if (window.isBelow(1)) {
      throw new IllegalArgumentException(
          "snapkv: window is %s; expected at least 1".formatted(window));
    }
    if (budget.isBelow(1)) {
      throw new IllegalArgumentException(
          "snapkv: budget is %s; expected at least 1".formatted(budget));
    }
    if (budget.ratio() == window.ratio() && budget.value() <= window.value()) {
      throw new IllegalArgumentException(
          "snapkv: budget is %s; expected more than the window, which is %s"
              .formatted(budget, window));
    }
  }

  @Override
  public SnapKvCache resolve(int promptTokens) {
    int last = window.resolve(promptTokens);
    // A ratio of a short prompt may fall below a window in tokens; the window then is what stays.
    int all = Math.max(budget.resolve(promptTokens), last + 1);
    return new SnapKvCache(TokenCount.tokens(all), TokenCount.tokens(last));
  }

  @Override
  public int capacity() {
    return Integer.MAX_VALUE;
  }

  @Override
  public int keptOf(int promptTokens) {
    return Math.min(promptTokens, budget.resolve(0));
  }

  @Override
  public int scoringQueries(int promptTokens) {
    return Math.min(promptTokens, window.resolve(0));
  }

  @Override
  public boolean scoresDecoding() {
    return false;
  }

  @Override
  public int[] keep(double[] scores, int promptTokens) {
    int older = Math.max(0, promptTokens - window.resolve(0));
    return KeptPositions.join(
        KeptPositions.heaviest(scores, older, budget.resolve(0) - window.resolve(0)),
        KeptPositions.range(older, promptTokens));
  }

  @Override
  public int victim(CacheSlots slots) {
    return NONE;
  }

  @Override
  public String toString() {
    return "snapkv:budget=%s,window=%s".formatted(budget, window);
  }
}
