package org.sinklora.h2o;

/** What the steps of {@link CacheAttention} share about the head that a worker is on. */
final class HeadWork {
  LayerCache cache;
  int head;
  float[] q;
  int qAt;
  int qRow;
  RopePositions rope;
  boolean scored;

  /** [group, slots]: scores, then weights. */
  float[] scores = {};

  /** [group, valueStride]. */
  float[] attended = {};

  /** One over the sum of each query's weights. */
  float[] factors = {};

  float[] keyRoom = {};
  float[] rotated = {};
  float[] valueRoom = {};

  CacheSlots slots() {
    return cache.head(head);
  }

  /** Sets the head and makes room; allocates where the cache has grown. */
  void start(LayerCache newCache, int newHead, int group, int dim) {
    cache = newCache;
    head = newHead;
    int valueStride = cache.block(0).valueStride();
    if (scores.length < group * cache.slots()) {
      scores = new float[group * cache.slots()];
    }
    if (attended.length < group * valueStride) {
      attended = new float[group * valueStride];
      factors = new float[group];
      keyRoom = new float[dim * KvBlock.PANEL];
      rotated = new float[dim * KvBlock.PANEL];
      valueRoom = new float[valueStride * KvBlock.PANEL];
    }
  }
}
