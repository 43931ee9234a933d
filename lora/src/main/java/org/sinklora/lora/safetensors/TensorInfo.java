package org.sinklora.lora.safetensors;

import java.util.Arrays;
import java.util.List;

/**
 * What a file says about a tensor.
 *
 * @param dtype element type
 * @param shape extents, outermost first; empty for a scalar
 */
public record TensorInfo(Dtype dtype, List<Long> shape) {

  /**
   * @throws ArithmeticException if the tensor has more than 2^63 − 1 bytes
   */
  public TensorInfo {
    shape = List.copyOf(shape);
    long bytes = dtype.bytes();
    for (long extent : shape) {
      if (extent < 0) {
        throw new IllegalArgumentException(
            "The shape " + shape + " has the negative extent " + extent);
      }
      bytes = Math.multiplyExact(bytes, extent);
    }
  }

  /** A tensor of this type and these extents. */
  public static TensorInfo of(Dtype dtype, long... shape) {
    return new TensorInfo(dtype, Arrays.stream(shape).boxed().toList());
  }

  /** Number of elements; 1 for a scalar. */
  public long elements() {
    long elements = 1;
    for (long extent : shape) {
      elements *= extent;
    }
    return elements;
  }

  /** Number of bytes. */
  public long byteSize() {
    return elements() * dtype.bytes();
  }

  /** Whether the shape is exactly this one. */
  public boolean hasShape(long... extents) {
    return shape.equals(Arrays.stream(extents).boxed().toList());
  }
}
