package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.ParkedTensor;
import org.sinklora.compute.Tensor;

/**
 * What goes into every layer, and what comes out of the last.
 *
 * <p>Parked, only three of them are in the device's memory at a time. Going up, one is read, one
 * written, and one on its way to the host; going down, one is read, the next is there, and the one
 * after it on its way back. A copy has the time of two layers.
 */
final class LayerInputs implements AutoCloseable {
  private static final int IN_MEMORY = 3;

  private final Device device;
  private final Workspace memory;
  private final int layers;
  private final List<ParkedTensor> places = new ArrayList<>();
  private long[] shape;
  private Use use = Use.EVALUATED;

  private enum Use {
    /** Nothing is needed again. */
    EVALUATED,
    KEPT,
    PARKED
  }

  LayerInputs(Device device, int layers) {
    this.device = device;
    this.memory = new Workspace(device);
    this.layers = layers;
  }

  /** Number of layer inputs that take memory of the device. */
  static int inMemory(int layers, boolean parked) {
    return parked ? Math.min(IN_MEMORY, layers + 1) : layers + 1;
  }

  /** Number of layer inputs that take memory of the host. */
  static int inHost(int layers, boolean parked) {
    return parked ? layers + 1 - inMemory(layers, true) : 0;
  }

  /** A pass without backward over [tokens, hidden]. */
  void evaluate(long tokens, long hidden) {
    begin(Use.EVALUATED, tokens, hidden);
  }

  /** A pass with backward over [tokens, hidden]. */
  void train(MemoryPlan plan, long tokens, long hidden) {
    begin(plan.parked() ? Use.PARKED : Use.KEPT, tokens, hidden);
    if (!plan.parked()) {
      return;
    }
    Tensor largest = memory.tensor(name(0), plan.tokens(), hidden);
    while (places.size() < inHost(layers, true)) {
      places.add(device.park(largest));
    }
  }

  private void begin(Use newUse, long tokens, long hidden) {
    use = newUse;
    shape = new long[] {tokens, hidden};
  }

  /** Where the input of layer {@code i} is to be written, or the output of the last. */
  Tensor output(int i) {
    if (use == Use.PARKED && i >= IN_MEMORY) {
      // Its memory is that of an input which may still be on its way.
      places.get(i - IN_MEMORY).await();
    }
    return tensor(i);
  }

  /** Says that it has been written. */
  void written(int i) {
    if (isParked(i)) {
      places.get(i).store(tensor(i));
    }
  }

  /** The input of layer {@code i} for its backward; layers ask from the last to the first. */
  Tensor input(int i) {
    if (isParked(i)) {
      places.get(i).await();
    }
    int ahead = i - IN_MEMORY + 1;
    if (ahead >= 0 && isParked(ahead)) {
      // Into the memory of what the layer above has read.
      places.get(ahead).load(tensor(ahead));
    }
    return tensor(i);
  }

  private boolean isParked(int i) {
    return use == Use.PARKED && i < inHost(layers, true);
  }

  private Tensor tensor(int i) {
    return memory.tensor(name(i), shape);
  }

  private String name(int i) {
    int slot =
        switch (use) {
          case EVALUATED -> i % 2;
          case KEPT -> i;
          case PARKED -> i % IN_MEMORY;
        };
    return "layer" + slot;
  }

  /** Bytes that they take of the device's memory. */
  long bytes() {
    return memory.bytes();
  }

  /** Waits for copies, and frees all memory; it is allocated again when needed. */
  @Override
  public void close() {
    places.forEach(ParkedTensor::close);
    places.clear();
    memory.close();
  }
}
