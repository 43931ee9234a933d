package org.sinklora.h2o;

import java.util.Arrays;

/** The cached keys and values of one layer of one sequence. */
final class LayerCache {
  private final CachePlan plan;
  private final CacheSlots[] heads;
  private KvBlock[] blocks;

  LayerCache(CachePlan plan) {
    this.plan = plan;
    this.blocks = new KvBlock[] {newBlock()};
    this.heads = new CacheSlots[plan.kvHeads()];
    for (int head = 0; head < heads.length; head++) {
      heads[head] = new CacheSlots(plan.headSlots(), plan.scored(), plan.ranked());
    }
  }

  private LayerCache(CachePlan plan, LayerCache other) {
    this.plan = plan;
    this.blocks = new KvBlock[other.blocks.length];
    Arrays.setAll(blocks, block -> other.blocks[block].copy());
    this.heads = new CacheSlots[other.heads.length];
    Arrays.setAll(heads, head -> other.heads[head].copy());
  }

  /** The same contents in arrays of its own, to be filled up as another plan says. */
  LayerCache copy(CachePlan newPlan) {
    return new LayerCache(newPlan, this);
  }

  private KvBlock newBlock() {
    return KvBlock.allocate(plan.precision(), plan.kvHeads(), plan.blockSlots(), plan.headDim());
  }

  CacheSlots head(int head) {
    return heads[head];
  }

  int kvHeads() {
    return heads.length;
  }

  int blockCount() {
    return blocks.length;
  }

  KvBlock block(int block) {
    return blocks[block];
  }

  /** Slots of all blocks. */
  int slots() {
    return blocks.length * plan.blockSlots();
  }

  /** Makes room for {@code count} positions in every head. */
  void reserve(int count) {
    while (plan.grows() && slots() < count) {
      blocks = Arrays.copyOf(blocks, blocks.length + 1);
      blocks[blocks.length - 1] = newBlock();
      for (CacheSlots head : heads) {
        head.grow(slots());
      }
    }
  }

  /**
   * Appends a token to one head.
   *
   * @param score what the position starts with
   */
  void append(
      int head, int position, double score, float[] key, int keyAt, float[] value, int valueAt) {
    int slot = heads[head].append(position, score);
    blocks[slot / plan.blockSlots()].write(
        head, slot % plan.blockSlots(), key, keyAt, value, valueAt);
  }

  long bytes() {
    long bytes = 0;
    for (KvBlock block : blocks) {
      bytes += block.bytes();
    }
    for (CacheSlots head : heads) {
      bytes += head.bytes();
    }
    return bytes;
  }
}
