package org.sinklora.h2o;

/**
 * Which positions a KV cache keeps, decided for every layer and kv head by itself.
 *
 * <p>A policy with sizes given as ratios is {@linkplain #resolve resolved} against a prompt before
 * it is used. A new policy is one class and one line in the conformance test.
 */
public sealed interface KvCachePolicy permits FullCache, StreamingCache, H2oCache, SnapKvCache {
  /** What {@link #victim} returns where nothing has to go. */
  int NONE = -1;

  /** Keeps everything, up to a limit. */
  static KvCachePolicy full() {
    return new FullCache(FullCache.MODEL_LIMIT);
  }

  /** Keeps the first {@code sinks} and the last {@code recent} tokens. */
  static KvCachePolicy streaming(int sinks, int recent) {
    return new StreamingCache(TokenCount.tokens(sinks), TokenCount.tokens(recent));
  }

  /** Keeps the last {@code recent} tokens and the {@code heavy} heaviest of the older ones. */
  static KvCachePolicy h2o(int heavy, int recent) {
    return new H2oCache(TokenCount.tokens(heavy), TokenCount.tokens(recent));
  }

  /** The same with sizes as ratios of the prompt. */
  static KvCachePolicy h2o(double heavyRatio, double recentRatio) {
    return new H2oCache(TokenCount.ofPrompt(heavyRatio), TokenCount.ofPrompt(recentRatio));
  }

  /** Cuts the prompt to {@code budget} tokens by what its last {@code window} queries attend to. */
  static KvCachePolicy snapKv(int budget, int window) {
    return new SnapKvCache(TokenCount.tokens(budget), TokenCount.tokens(window));
  }

  /**
   * Reads {@code full}, {@code full:limit=8192}, {@code streaming:sinks=4,recent=1024}, {@code
   * h2o:heavy=0.1,recent=0.1} or {@code snapkv:budget=512,window=32}. Sizes with a decimal point
   * are ratios of the prompt, others tokens.
   *
   * @throws IllegalArgumentException if the policy or a parameter is unknown, one is missing, or a
   *     size makes no sense; the message names the known ones
   */
  static KvCachePolicy parse(String text) {
    return PolicyText.parse(text);
  }

  /** This policy with every size in tokens. */
  KvCachePolicy resolve(int promptTokens);

  /** The most positions that stay alive once a token is done; {@link Integer#MAX_VALUE} if open. */
  int capacity();

  /** How many positions of a prompt are kept. */
  int keptOf(int promptTokens);

  /** Of how many of the prompt's last queries the attention counts as score of a position. */
  int scoringQueries(int promptTokens);

  /** Whether the attention of decoded tokens is added to the scores. */
  boolean scoresDecoding();

  /**
   * What is kept of a prompt.
   *
   * @param scores of the prompt's positions; contents are undefined where {@link #scoringQueries}
   *     is 0
   * @return positions, ascending
   */
  int[] keep(double[] scores, int promptTokens);

  /**
   * The slot that makes room after a token has been decoded, or {@link #NONE}.
   *
   * @param slots the alive positions of a head, the decoded token among them
   */
  int victim(CacheSlots slots);
}
