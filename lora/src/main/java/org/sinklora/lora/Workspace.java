package org.sinklora.lora;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * Tensors kept from step to step under the name of what they hold. A name's memory grows to the
 * largest batch seen and is then reused; contents are undefined until written. A name belongs to
 * either activations or statistics.
 */
final class Workspace implements AutoCloseable {
  private final Device device;
  private final Map<String, Tensor> tensors = new HashMap<>();
  private long bytes;

  Workspace(Device device) {
    this.device = device;
  }

  /** The activations of that name, in that shape. */
  Tensor tensor(String name, long... shape) {
    return tensor(name, device::allocateActivations, device.elementBytes(), shape);
  }

  /** The same in float32 on every device: what a normalisation or a softmax keeps. */
  Tensor statistic(String name, long... shape) {
    return tensor(name, device::allocate, Float.BYTES, shape);
  }

  private Tensor tensor(
      String name, Function<long[], Tensor> allocate, int elementBytes, long... shape) {
    long size = 1;
    for (long extent : shape) {
      size *= extent;
    }
    Tensor tensor = tensors.get(name);
    if (tensor == null || tensor.size() < size) {
      if (tensor != null) {
        tensors.remove(name);
        bytes -= tensor.size() * elementBytes;
        tensor.close();
      }
      tensor = allocate.apply(new long[] {size});
      tensors.put(name, tensor);
      bytes += size * elementBytes;
    }
    return tensor.view(0, shape);
  }

  /** Bytes of all its tensors. */
  long bytes() {
    return bytes;
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
    tensors.clear();
    bytes = 0;
  }
}
