package org.sinklora.h2o;

/** The cache of one sequence, with the policy that decides what it keeps. */
final class SequenceCache implements KvCache {
  private final CachePlan plan;
  private final KvCachePolicy policy;
  private final RopePositions rope;
  private final LayerCache[] layers;

  /**
   * @param policy resolved
   */
  SequenceCache(CachePlan plan, KvCachePolicy policy, RopePositions rope) {
    this(plan, policy, rope, new LayerCache[plan.layers()]);
    for (int layer = 0; layer < layers.length; layer++) {
      layers[layer] = new LayerCache(plan);
    }
  }

  private SequenceCache(
      CachePlan plan, KvCachePolicy policy, RopePositions rope, LayerCache[] layers) {
    this.plan = plan;
    this.policy = policy;
    this.rope = rope;
    this.layers = layers;
  }

  /** The same contents in arrays of its own, for a sequence that grows to {@code tokens}. */
  SequenceCache copy(int alreadyRead, long tokens) {
    int kept = layers[0].head(0).alive();
    CachePlan newPlan = plan.extendedTo(kept + tokens - alreadyRead);
    LayerCache[] copies = new LayerCache[layers.length];
    for (int layer = 0; layer < layers.length; layer++) {
      copies[layer] = layers[layer].copy(newPlan);
    }
    return new SequenceCache(newPlan, policy, rope, copies);
  }

  @Override
  public KvCachePolicy policy() {
    return policy;
  }

  @Override
  public RopePositions rope() {
    return rope;
  }

  LayerCache layer(int layer) {
    return layers[layer];
  }

  @Override
  public int layerCount() {
    return layers.length;
  }

  @Override
  public int kvHeads() {
    return layers[0].kvHeads();
  }

  @Override
  public CacheSlots slots(int layer, int head) {
    return layers[layer].head(head);
  }

  @Override
  public void reserve() {
    reserve(1);
  }

  /** Makes room for more tokens, which all stay where there is no budget. */
  void reserve(int tokens) {
    for (LayerCache layer : layers) {
      layer.reserve(layer.head(0).used() + tokens);
    }
  }

  @Override
  public int nextPlace(int ahead) {
    return Math.min(layers[0].head(0).alive() + ahead, policy.capacity());
  }

  /** Slots that a head may have in use. */
  int slots() {
    return layers[0].slots();
  }

  @Override
  public long plannedBytes() {
    return plan.bytes();
  }

  @Override
  public long residentBytes() {
    long bytes = 0;
    for (LayerCache layer : layers) {
      bytes += layer.bytes();
    }
    return bytes;
  }

  @Override
  public void close() {
    // Arrays on the heap go by themselves.
  }
}
