package org.sinklora.h2o;

/**
 * Keeps everything. The cache grows in blocks as it fills.
 *
 * @param limit tokens at which it ends; {@link #MODEL_LIMIT} for the model's context length
 */
public record FullCache(int limit) implements KvCachePolicy {
  /** The limit is the model's {@code max_position_embeddings}. */
  public static final int MODEL_LIMIT = 0;

  /**
   * @throws IllegalArgumentException if the limit is negative
   */
  public FullCache {
    if (limit < 0) {
      throw new IllegalArgumentException("full: limit is %d; expected at least 1".formatted(limit));
    }
  }

  @Override
  public FullCache resolve(int promptTokens) {
    return this;
  }

  @Override
  public int capacity() {
    return Integer.MAX_VALUE;
  }

  @Override
  public int keptOf(int promptTokens) {
    return promptTokens;
  }

  @Override
  public int scoringQueries(int promptTokens) {
    return 0;
  }

  @Override
  public boolean scoresDecoding() {
    return false;
  }

  @Override
  public int[] keep(double[] scores, int promptTokens) {
    return KeptPositions.range(0, promptTokens);
  }

  @Override
  public int victim(CacheSlots slots) {
    return NONE;
  }

  @Override
  public String toString() {
    return limit == MODEL_LIMIT ? "full" : "full:limit=" + limit;
  }
}
