package org.sinklora.lora;

import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** Tensors one behind the other in one array, as they travel between processes. */
final class FlatParameters {
  private FlatParameters() {}

  static float[] read(Device device, List<Tensor> tensors) {
    float[] values = new float[size(tensors)];
    int at = 0;
    for (Tensor tensor : tensors) {
      device.download(tensor, values, at);
      at += (int) tensor.size();
    }
    return values;
  }

  static void write(Device device, float[] values, List<Tensor> tensors) {
    check(values, tensors);
    int at = 0;
    for (Tensor tensor : tensors) {
      device.upload(values, at, tensor);
      at += (int) tensor.size();
    }
  }

  static void add(Device device, float[] values, List<Tensor> tensors) {
    check(values, tensors);
    int at = 0;
    for (Tensor tensor : tensors) {
      try (Tensor part = device.allocate(tensor.shape())) {
        device.upload(values, at, part);
        device.axpy(1, part, tensor);
      }
      at += (int) tensor.size();
    }
  }

  private static void check(float[] values, List<Tensor> tensors) {
    int expected = size(tensors);
    if (values.length != expected) {
      throw new IllegalArgumentException(
          "%,d values for an adapter of %,d: they belong to another adapter"
              .formatted(values.length, expected));
    }
  }

  private static int size(List<Tensor> tensors) {
    long size = tensors.stream().mapToLong(Tensor::size).sum();
    if (size > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "The adapter trains %,d values, more than the %,d that one array holds; train fewer modules whole"
              .formatted(size, Integer.MAX_VALUE - 8));
    }
    return (int) size;
  }
}
