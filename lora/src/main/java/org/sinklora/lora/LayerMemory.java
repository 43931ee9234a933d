package org.sinklora.lora;

/**
 * Where a layer finds its activations: what is kept for the backward in memory of its own, the rest
 * in memory that all layers share.
 *
 * @param kept what is kept
 * @param own memory of this layer
 * @param shared memory of the layer that is being computed
 */
record LayerMemory(KeptActivations kept, Workspace own, Workspace shared) {

  boolean keeps(KeptActivations level) {
    return kept.compareTo(level) >= 0;
  }

  /** The memory of what is kept from {@code level} on. */
  Workspace of(KeptActivations level) {
    return keeps(level) ? own : shared;
  }
}
