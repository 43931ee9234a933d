package org.sinklora.lora;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * Tensors kept from step to step under the name of what they hold. A name's memory grows to the
 * largest batch seen and is then reused; contents are undefined until written.
 */
final class Workspace implements AutoCloseable {
  private final Device device;
  private final Map<String, Tensor> tensors = new HashMap<>();

  Workspace(Device device) {
    this.device = device;
  }

  /** The activations of that name, in that shape. */
  Tensor tensor(String name, long... shape) {
    return tensor(name, device::allocateActivations, shape);
  }

  /** The same in float32 on every device: what a normalisation or a softmax keeps. */
  Tensor statistic(String name, long... shape) {
    return tensor(name, device::allocate, shape);
  }

  private Tensor tensor(String name, Function<long[], Tensor> allocate, long... shape) {
    long size = 1;
    for (long extent : shape) {
      size *= extent;
    }
    Tensor tensor = tensors.get(name);
    if (tensor == null || tensor.size() < size) {
      if (tensor != null) {
        tensor.close();
      }
      tensor = allocate.apply(new long[] {size});
      tensors.put(name, tensor);
    }
    return tensor.view(0, shape);
  }

  /** Elements of all its tensors. */
  long size() {
    return tensors.values().stream().mapToLong(Tensor::size).sum();
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
    tensors.clear();
  }
}
