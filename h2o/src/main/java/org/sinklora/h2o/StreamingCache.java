package org.sinklora.h2o;

/**
 * Keeps the first tokens, which attention rests on, and the last ones: StreamingLLM, arXiv
 * 2309.17453.
 *
 * @param sinks how many of the first
 * @param recent how many of the last, at least 1
 */
public record StreamingCache(TokenCount sinks, TokenCount recent) implements KvCachePolicy {

  /**
   * @throws IllegalArgumentException if {@code recent} is 0
   */
  public StreamingCache {
    if (recent.isBelow(1)) {
      throw new IllegalArgumentException(
          "streaming: recent is %s; expected at least 1, since a token attends to itself"
              .formatted(recent));
    }
  }

  @Override
  public StreamingCache resolve(int promptTokens) {
    return new StreamingCache(
        TokenCount.tokens(sinks.resolve(promptTokens)),
        TokenCount.tokens(recent.resolve(promptTokens)));
  }

  @Override
  public int capacity() {
    return Math.addExact(sinks.resolve(0), recent.resolve(0));
  }

  @Override
  public int keptOf(int promptTokens) {
    return Math.min(promptTokens, capacity());
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
    int first = Math.min(sinks.resolve(0), promptTokens);
    int last = Math.max(first, promptTokens - recent.resolve(0));
    return KeptPositions.join(
        KeptPositions.range(0, first), KeptPositions.range(last, promptTokens));
  }

  @Override
  public int victim(CacheSlots slots) {
    if (slots.alive() <= capacity()) {
      return NONE;
    }
    int first = sinks.resolve(0);
    int oldest = NONE;
    for (int slot = 0; slot < slots.used(); slot++) {
      int position = slots.position(slot);
      boolean candidate = position >= first && slots.isAlive(slot);
      if (candidate && (oldest == NONE || position < slots.position(oldest))) {
        oldest = slot;
      }
    }
    return oldest;
  }

  @Override
  public String toString() {
    return "streaming:sinks=%s,recent=%s".formatted(sinks, recent);
  }
}
