package org.sinklora.compute.cuda;

import java.util.Arrays;
import org.sinklora.compute.NormalFloat4;
import org.sinklora.compute.Tensor;

/**
 * A matrix [out, in] of a {@link CudaDevice} in 4-bit NormalFloat: two codes a byte, the first in
 * the upper half, and a scale for 64 columns.
 */
public final class CudaNf4Tensor implements Tensor {
  private final CudaTensor codes;
  private final CudaTensor scales;
  private final long[] shape;

  private CudaNf4Tensor(CudaTensor codes, CudaTensor scales) {
    this.codes = codes;
    this.scales = scales;
    this.shape = new long[] {codes.dim(0), 2 * codes.dim(1)};
  }

  /**
   * What {@link CudaDevice#toNf4} made, from its parts.
   *
   * @param codes [out, in / 2], INT8
   * @param scales one for 64 columns, float32
   */
  public static CudaNf4Tensor of(CudaTensor codes, CudaTensor scales) {
    if (codes.type() != ElementType.INT8
        || scales.type() != ElementType.FLOAT32
        || 2 * codes.size() != NormalFloat4.BLOCK * scales.size()) {
      throw new IllegalArgumentException(
          "%s and %s are no codes and scales of 4 bits".formatted(codes, scales));
    }
    return new CudaNf4Tensor(codes, scales);
  }

  /** [out, in / 2], INT8. */
  public CudaTensor codes() {
    return codes;
  }

  /** [out, in / 64], float32. */
  public CudaTensor scales() {
    return scales;
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

  @Override
  public void close() {
    codes.close();
    scales.close();
  }

  @Override
  public String toString() {
    return "CudaNf4Tensor" + Arrays.toString(shape);
  }
}
