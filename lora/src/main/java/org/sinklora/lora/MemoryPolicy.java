package org.sinklora.lora;

import org.sinklora.compute.Device;

/**
 * How much memory a pass may take for its activations.
 *
 * @param checkpointing what to keep for the backward
 * @param limit bytes that all of the device's tensors may take; 0 for all that is free
 */
record MemoryPolicy(GradientCheckpointing checkpointing, long limit) {

  /** The plan for batches of {@code tokens}, made while no activations are allocated. */
  MemoryPlan plan(CausalLm model, int tokens) {
    Device device = model.device();
    long free = device.freeBytes();
    if (limit > 0) {
      free = Math.min(free, Math.max(0, limit - device.allocatedBytes()));
    }
    MemoryPlan.Request unlimited = request(model, tokens, Long.MAX_VALUE);
    if (free == Long.MAX_VALUE) {
      return MemoryPlan.of(unlimited);
    }
    // Weights, adapter and optimiser are there already: with them the plan shows all there is.
    long fixed = new MemoryCount(unlimited, tokens).fixedBytes();
    return MemoryPlan.of(request(model, tokens, fixed + free));
  }

  private MemoryPlan.Request request(CausalLm model, int tokens, long capacity) {
    Device device = model.device();
    return new MemoryPlan.Request(
        model.config(),
        model.adapter().config(),
        model.quantization(),
        tokens,
        device.elementBytes(),
        device.logitsElements(),
        device.hasHostMemory(),
        checkpointing,
        capacity);
  }
}
