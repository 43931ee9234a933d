package org.sinklora.compute;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.bytedeco.javacpp.BytePointer;

/** A matrix of the {@link CpuDevice} in {@link NormalFloat4}. */
public final class CpuNf4Tensor implements Tensor {
  private final BytePointer memory;
  private final ByteBuffer codes;
  private final CpuTensor scales;
  private final AllocatedBytes allocated;
  private final long[] shape;
  private boolean closed;

  CpuNf4Tensor(CpuTensor scales, AllocatedBytes allocated, long[] shape) {
    this.scales = scales;
    this.allocated = allocated;
    this.shape = shape.clone();
    // A buffer ends at 2 GiB: 4 billion weights.
    this.memory = new BytePointer((long) Math.toIntExact(shape[0] * shape[1] / 2));
    this.codes = memory.asBuffer();
    allocated.add(codes.capacity());
  }

  @Override
  public long[] shape() {
    return shape;
  }

  @Override
  public long size() {
    return shape[0] * shape[1];
  }

  @Override
  public Tensor view(long offset, long... viewShape) {
    throw new UnsupportedOperationException(
        "There are no views of " + this + "; copy it into a tensor");
  }

  private int blocksOfRow() {
    return Math.toIntExact(shape[1] / NormalFloat4.BLOCK);
  }

  /**
   * Stores a row.
   *
   * @param values of the row
   * @param scratch room for a scale a block
   */
  void writeRow(int row, float[] values, float[] scratch) {
    int blocks = blocksOfRow();
    int at = Math.toIntExact(row * shape[1] / 2);
    for (int block = 0; block < blocks; block++) {
      int from = block * NormalFloat4.BLOCK;
      float most = 0;
      for (int i = from; i < from + NormalFloat4.BLOCK; i++) {
        most = Math.max(most, Math.abs(values[i]));
      }
      float inverse = most == 0 ? 0 : 1 / most;
      for (int i = from; i < from + NormalFloat4.BLOCK; i += 2) {
        int first = NormalFloat4.nearest(values[i] * inverse);
        int second = NormalFloat4.nearest(values[i + 1] * inverse);
        codes.put(at++, (byte) (first << 4 | second));
      }
      scratch[block] = most;
    }
    scales.write((long) row * blocks, scratch, 0, blocks);
  }

  /**
   * Reads a row.
   *
   * @param destination receives the row's values
   */
  public void readRow(int row, float[] destination) {
    readRow(row, destination, new float[blocksOfRow()]);
  }

  /**
   * @param scratch room for a scale a block
   */
  void readRow(int row, float[] destination, float[] scratch) {
    if (closed) {
      throw new IllegalStateException("The tensor was closed");
    }
    int blocks = blocksOfRow();
    scales.read((long) row * blocks, scratch, 0, blocks);
    int at = Math.toIntExact(row * shape[1] / 2);
    for (int block = 0; block < blocks; block++) {
      float scale = scratch[block];
      int from = block * NormalFloat4.BLOCK;
      for (int i = from; i < from + NormalFloat4.BLOCK; i += 2) {
        int both = codes.get(at++);
        destination[i] = NormalFloat4.value(both >> 4 & 15) * scale;
        destination[i + 1] = NormalFloat4.value(both & 15) * scale;
      }
    }
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      allocated.add(-codes.capacity());
      scales.close();
      memory.close();
    }
  }

  @Override
  public String toString() {
    return "CpuNf4Tensor" + Arrays.toString(shape);
  }
}
