package org.sinklora.compute;

import java.util.Arrays;
import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** A tensor of the {@link CpuDevice}: the memory of an ND4J array. */
public final class CpuTensor implements Tensor {
  private final CpuMemory memory;
  private final long offset;
  private final long[] shape;
  private final long size;
  private final boolean owner;

  private CpuTensor(CpuMemory memory, long offset, long[] shape, boolean owner) {
    this.memory = memory;
    this.offset = offset;
    this.shape = shape;
    this.size = sizeOf(shape);
    this.owner = owner;
  }

  static CpuTensor zeros(AllocatedBytes allocated, long... shape) {
    long size = sizeOf(shape);
    INDArray flat = Nd4j.create(DataType.FLOAT, size);
    return new CpuTensor(new CpuMemory(flat, size, allocated), 0, shape.clone(), true);
  }

  private static long sizeOf(long[] shape) {
    long size = 1;
    for (long extent : shape) {
      if (extent < 1) {
        throw new IllegalArgumentException("Not a shape: " + Arrays.toString(shape));
      }
      size = Math.multiplyExact(size, extent);
    }
    return size;
  }

  @Override
  public long[] shape() {
    return shape;
  }

  @Override
  public long size() {
    return size;
  }

  @Override
  public CpuTensor view(long start, long... viewShape) {
    long viewSize = sizeOf(viewShape);
    if (start < 0 || start + viewSize > size) {
      throw new IllegalArgumentException(
          "A view of %s at %d does not fit into %s"
              .formatted(Arrays.toString(viewShape), start, Arrays.toString(shape)));
    }
    return new CpuTensor(memory, offset + start, viewShape.clone(), false);
  }

  @Override
  public CpuTensor rows(long from, long to) {
    return (CpuTensor) Tensor.super.rows(from, to);
  }

  /** The same memory as an ND4J array of this shape; writes go both ways. */
  public INDArray array() {
    return Nd4j.create(memory.flat().data(), shape, rowMajorStrides(), offset, 'c');
  }

  private long[] rowMajorStrides() {
    long[] strides = new long[shape.length];
    long stride = 1;
    for (int axis = shape.length - 1; axis >= 0; axis--) {
      strides[axis] = stride;
      stride *= shape[axis];
    }
    return strides;
  }

  /** Copies {@code count} elements from {@code index} on into {@code destination[at…]}. */
  public void read(long index, float[] destination, int at, int count) {
    check(index, count);
    memory.read(offset + index, destination, at, count);
  }

  /** Copies {@code source[at…at+count)} to the elements from {@code index} on. */
  public void write(long index, float[] source, int at, int count) {
    check(index, count);
    memory.write(offset + index, source, at, count);
  }

  /** All elements, in row-major order. */
  public float[] toArray() {
    float[] values = new float[Math.toIntExact(size)];
    read(0, values, 0, values.length);
    return values;
  }

  /** A pointer for BLAS to element {@code index}. */
  FloatPointer pointer(long index) {
    return memory.pointer(offset + index);
  }

  private void check(long index, int count) {
    if (index < 0 || count < 0 || index + count > size) {
      throw new IndexOutOfBoundsException(
          "[%d, %d) of a tensor of %d elements".formatted(index, index + count, size));
    }
  }

  @Override
  public void close() {
    if (owner) {
      memory.close();
    }
  }

  @Override
  public String toString() {
    return "CpuTensor" + Arrays.toString(shape);
  }
}
