package org.sinklora.h2o;

/**
 * How {@link CachePerplexity} reads a document.
 *
 * @param policy the cache; ratios are of the whole document
 * @param precision how keys and values are stored
 * @param rope which position a key is rotated to
 * @param promptTokens tokens at the beginning that are read together as a prompt and not scored,
 *     from 1; {@code snapkv} only ever drops these
 */
public record ScoringOptions(
    KvCachePolicy policy, CachePrecision precision, RopePositions rope, int promptTokens) {

  /**
   * @throws IllegalArgumentException if there is no prompt token
   */
  public ScoringOptions {
    if (promptTokens < 1) {
      throw new IllegalArgumentException(
          "%d prompt tokens; the first token of a document cannot be predicted, expected from 1"
              .formatted(promptTokens));
    }
  }

  /** Every token but the first is decoded and scored, with a float32 cache. */
  public static ScoringOptions of(KvCachePolicy policy) {
    return new ScoringOptions(policy, CachePrecision.FLOAT32, RopePositions.ORIGINAL, 1);
  }
}
