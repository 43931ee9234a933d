package org.sinklora.h2o;

import org.sinklora.lora.ModelConfig;
import org.sinklora.sfattn.TileKernels;

/**
 * What a sequence's cache takes, known before it is allocated.
 *
 * @param layers layers of the model
 * @param kvHeads key and value heads of a layer
 * @param headDim components of a head
 * @param precision how components are stored
 * @param blockSlots slots of a block, a multiple of the panel width
 * @param blocks blocks of a layer when the sequence is complete; one where the budget is fixed
 * @param headSlots positions a head has bookkeeping for, for every block
 * @param grows whether there is no budget, so that blocks are added as it fills
 * @param scored whether positions have scores
 * @param ranked whether the order of positions is kept
 */
record CachePlan(
    int layers,
    int kvHeads,
    int headDim,
    CachePrecision precision,
    int blockSlots,
    int blocks,
    int headSlots,
    boolean grows,
    boolean scored,
    boolean ranked) {
  /** Slots by which a cache without a budget grows. */
  static final int GROWTH = 256;

  /**
   * @param policy resolved
   * @param tokens tokens of the whole sequence, the prompt's among them
   */
  static CachePlan of(
      ModelConfig config,
      KvCachePolicy policy,
      CachePrecision precision,
      RopePositions rope,
      int promptTokens,
      long tokens) {
    boolean open = policy.capacity() == Integer.MAX_VALUE;
    // One more than stays: the new token attends before another one goes.
    int headSlots = open ? GROWTH : Math.addExact(policy.capacity(), 1);
    int blockSlots = Math.multiplyExact(panels(headSlots), TileKernels.QUERIES);
    long kept = tokens - promptTokens + policy.keptOf(promptTokens);
    int blocks = open ? Math.toIntExact((kept + GROWTH - 1) / GROWTH) : 1;
    boolean scored = policy.scoresDecoding() || policy.scoringQueries(promptTokens) > 0;
    return new CachePlan(
        config.numHiddenLayers(),
        config.numKeyValueHeads(),
        config.headDim(),
        precision,
        blockSlots,
        blocks,
        headSlots,
        open,
        scored,
        rope == RopePositions.CACHE);
  }

  /** The plan of a cache that will hold {@code kept} positions, if it grows. */
  CachePlan extendedTo(long kept) {
    int newBlocks = grows ? Math.toIntExact((kept + GROWTH - 1) / GROWTH) : 1;
    return new CachePlan(
        layers,
        kvHeads,
        headDim,
        precision,
        blockSlots,
        newBlocks,
        headSlots,
        grows,
        scored,
        ranked);
  }

  private static int panels(int slots) {
    return (slots + TileKernels.QUERIES - 1) / TileKernels.QUERIES;
  }

  /** Bytes of the complete cache: keys, values, positions and scores. */
  long bytes() {
    return layers * blocks * (blockBytes() + kvHeads * CacheSlots.bytes(headSlots, scored, ranked));
  }

  private long blockBytes() {
    return KvBlock.bytes(precision, kvHeads, blockSlots, headDim);
  }
}
