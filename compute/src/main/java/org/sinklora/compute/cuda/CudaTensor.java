package org.sinklora.compute.cuda;

import java.util.Arrays;
import org.sinklora.compute.Tensor;

/** A tensor of a {@link CudaDevice}; its elements are of any {@link ElementType}. */
public final class CudaTensor implements Tensor {
  private final CudaMemory memory;
  private final long byteOffset;
  private final ElementType type;
  private final long[] shape;
  private final long size;
  private final boolean owner;

  private CudaTensor(
      CudaMemory memory, long byteOffset, ElementType type, long[] shape, boolean owner) {
    this.memory = memory;
    this.byteOffset = byteOffset;
    this.type = type;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.owner = owner;
  }

  /** The owner of {@code memory}, which must have room for the shape. */
  static CudaTensor owning(CudaMemory memory, ElementType type, long... shape) {
    return new CudaTensor(memory, 0, type, shape.clone(), true);
  }

  static long sizeOf(long[] shape) {
    long size = 1;
    for (long extent : shape) {
      if (extent < 1) {
        throw new IllegalArgumentException("Not a shape: " + Arrays.toString(shape));
      }
      size = Math.multiplyExact(size, extent);
    }
    return size;
  }

  /**
   * The tensor as one of a GPU.
   *
   * @throws IllegalArgumentException if it is one of another kind of device
   */
  public static CudaTensor of(Tensor tensor) {
    if (tensor instanceof CudaTensor cuda) {
      return cuda;
    }
    throw new IllegalArgumentException("Not a tensor of a GPU: " + tensor);
  }

  @Override
  public long[] shape() {
    return shape;
  }

  @Override
  public long size() {
    return size;
  }

  /** What the elements are. */
  public ElementType type() {
    return type;
  }

  /** Bytes that the elements take. */
  public long bytes() {
    return size * type.bytes();
  }

  /**
   * Address of the first element in the GPU's memory. A view may begin at any element, so nothing
   * beyond the element's own size is promised about its alignment.
   *
   * @throws IllegalStateException if the memory has been freed
   */
  public long address() {
    return memory.address() + byteOffset;
  }

  @Override
  public CudaTensor view(long start, long... viewShape) {
    long viewSize = sizeOf(viewShape);
    if (start < 0 || viewSize > size - start) {
      throw new IllegalArgumentException(
          "A view of %s at %d does not fit into %s"
              .formatted(Arrays.toString(viewShape), start, Arrays.toString(shape)));
    }
    return new CudaTensor(
        memory, byteOffset + start * type.bytes(), type, viewShape.clone(), false);
  }

  @Override
  public CudaTensor rows(long from, long to) {
    return (CudaTensor) Tensor.super.rows(from, to);
  }

  CudaContext context() {
    return memory.context();
  }

  CudaMemory memory() {
    return memory;
  }

  @Override
  public void close() {
    if (owner) {
      memory.free();
    }
  }

  @Override
  public String toString() {
    return "CudaTensor" + Arrays.toString(shape) + " of " + type;
  }
}
