package org.sinklora.h2o;

/** The cache of one sequence, with the policy that decides what it keeps. */
sealed interface KvCache extends AutoCloseable permits SequenceCache, CudaCache {
  /** The policy, its sizes in tokens. */
  KvCachePolicy policy();

  /** Which position cached keys are rotated to. */
  RopePositions rope();

  int layerCount();

  int kvHeads();

  /** What lies in the slots of a kv head; of a cache on a GPU a copy. */
  CacheSlots slots(int layer, int head);

  /**
   * Makes room for one more token.
   *
   * @throws CacheLimitException if there is none
   */
  void reserve();

  /**
   * The place that a token takes among those that are alive when it is written.
   *
   * @param ahead tokens that are read before it
   */
  int nextPlace(int ahead);

  /** Bytes that the complete cache takes. */
  long plannedBytes();

  /** Bytes that are allocated now. */
  long residentBytes();

  /** Frees memory outside the heap. */
  @Override
  void close();
}
