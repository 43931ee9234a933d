package org.sinklora.compute;

/** Matrices to {@link NormalFloat4} and back, a row at a time. */
final class CpuNf4 {
  private static final int ROWS_PER_ITEM = 16;

  private final CpuWorkers workers;
  private final AllocatedBytes allocated;

  /** The matrix that the last product read. */
  private CpuTensor widened;

  CpuNf4(CpuWorkers workers, AllocatedBytes allocated) {
    this.workers = workers;
    this.allocated = allocated;
  }

  CpuNf4Tensor pack(CpuTensor matrix) {
    NormalFloat4.check(matrix);
    int rows = Math.toIntExact(matrix.dim(0));
    int columns = Math.toIntExact(matrix.dim(1));
    int blocks = columns / NormalFloat4.BLOCK;
    CpuNf4Tensor packed =
        new CpuNf4Tensor(CpuTensor.zeros(allocated, rows, blocks), allocated, matrix.shape());
    forEachRow(
        rows,
        (row, scratch) -> {
          float[] values = scratch.floats(0, columns);
          matrix.read((long) row * columns, values, 0, columns);
          packed.writeRow(row, values, scratch.floats(1, blocks));
        });
    return packed;
  }

  /** The matrix in float32, in work space that the next one takes. */
  CpuTensor widen(CpuNf4Tensor packed) {
    if (widened == null || widened.size() < packed.size()) {
      close();
      widened = CpuTensor.zeros(allocated, packed.size());
    }
    CpuTensor wide = widened.view(0, packed.shape());
    widen(packed, wide);
    return wide;
  }

  /** Writes all of a matrix. */
  void widen(CpuNf4Tensor packed, CpuTensor destination) {
    if (destination.size() != packed.size()) {
      throw new IllegalArgumentException(packed + " and " + destination + " differ in size");
    }
    int columns = Math.toIntExact(packed.dim(1));
    int blocks = columns / NormalFloat4.BLOCK;
    forEachRow(
        Math.toIntExact(packed.dim(0)),
        (row, scratch) -> {
          float[] values = scratch.floats(0, columns);
          packed.readRow(row, values, scratch.floats(1, blocks));
          destination.write((long) row * columns, values, 0, columns);
        });
  }

  private void forEachRow(int rows, CpuDevice.ItemTask task) {
    workers.forEach(
        (rows + ROWS_PER_ITEM - 1) / ROWS_PER_ITEM,
        (item, scratch) -> {
          int end = Math.min(rows, (item + 1) * ROWS_PER_ITEM);
          for (int row = item * ROWS_PER_ITEM; row < end; row++) {
            task.run(row, scratch);
          }
        });
  }

  void close() {
    if (widened != null) {
      widened.close();
      widened = null;
    }
  }
}
