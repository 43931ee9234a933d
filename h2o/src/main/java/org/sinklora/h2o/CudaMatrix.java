package org.sinklora.h2o;

import org.sinklora.compute.cuda.CudaNf4Tensor;
import org.sinklora.compute.cuda.CudaTensor;

/**
 * A weight [out, in] on a GPU, row by row.
 *
 * @param storage how {@code data} holds it
 * @param data the weights; in 4 bits two to a byte, the first in the upper half
 * @param scales float32: of int8 one a row, of 4 bits one for 64 columns; null otherwise
 * @param out rows
 * @param in columns
 */
record CudaMatrix(WeightPrecision storage, CudaTensor data, CudaTensor scales, int out, int in) {
  /** A load of a kernel. */
  private static final int VECTOR_BYTES = 16;

  /** A weight in 4 bits, read where it lies. */
  static CudaMatrix of(CudaNf4Tensor packed) {
    return new CudaMatrix(
        WeightPrecision.NF4,
        packed.codes(),
        packed.scales(),
        Math.toIntExact(packed.dim(0)),
        Math.toIntExact(packed.dim(1)));
  }

  /** Whether every row begins at a vector; what is quantised always does. */
  boolean isAligned() {
    long rowBytes = data.bytes() / out;
    return rowBytes % VECTOR_BYTES == 0 && data.address() % VECTOR_BYTES == 0;
  }

  long bytes() {
    return data.bytes() + (scales == null ? 0 : scales.bytes());
  }
}
