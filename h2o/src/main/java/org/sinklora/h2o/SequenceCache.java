package org.sinklora.h2o;

/** The cache of one sequence, with the policy that decides what it keeps. */
final class SequenceCache {
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

  KvCachePolicy policy() {
    return policy;
  }

  RopePositions rope() {
    return rope;
  }

  LayerCache layer(int layer) {
    return layers[layer];
  }

  int layerCount() {
    return layers.length;
  }

  /** Makes room for one more token. */
  void reserve() {
    reserve(1);
  }

  /** Makes room for more tokens, which all stay where there is no budget. */
  void reserve(int tokens) {
    for (LayerCache layer : layers) {
      layer.reserve(layer.head(0).used() + tokens);
    }
  }

  /**
   * The place that a token takes among those that are alive when it is written.
   *
   * @param ahead tokens that are read before it
   */
  int nextPlace(int ahead) {
    return Math.min(layers[0].head(0).alive() + ahead, policy.capacity());
  }

  /** Slots that a head may have in use. */
  int slots() {
    return layers[0].slots();
  }

  long plannedBytes() {
    return plan.bytes();
  }

  /** Bytes of all arrays that are allocated now. */
  long residentBytes() {
    long bytes = 0;
    for (LayerCache layer : layers) {
      bytes += layer.bytes();
    }
    return bytes;
  }
}
