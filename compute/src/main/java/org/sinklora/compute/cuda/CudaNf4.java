package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.floats;

import org.sinklora.compute.NormalFloat4;

/** Matrices to 4-bit NormalFloat and back. */
final class CudaNf4 {
  private static final int THREADS = 256;

  /** Numbers that a thread widens: a vector of codes. */
  private static final int PER_THREAD = 8;

  private final CudaDevice device;

  CudaNf4(CudaDevice device) {
    this.device = device;
  }

  CudaNf4Tensor pack(CudaTensor matrix) {
    NormalFloat4.check(matrix);
    long out = matrix.dim(0);
    long in = matrix.dim(1);
    CudaTensor codes = device.allocate(ElementType.INT8, out, in / 2);
    CudaTensor scales = device.allocate(ElementType.FLOAT32, out, in / NormalFloat4.BLOCK);
    long blocks = scales.size();
    kernel("nf4Pack", matrix)
        .launch(grid(32 * blocks), 1, 1, THREADS, 0, matrix, blocks, codes, scales);
    return CudaNf4Tensor.of(codes, scales);
  }

  /**
   * The matrix in the type that the device multiplies in, in work space that the next one takes.
   */
  CudaTensor widen(CudaNf4Tensor packed) {
    CudaTensor wide =
        device
            .scratch("nf4 widened", device.precision().elementType(), packed.size())
            .view(0, packed.shape());
    widen(packed, wide);
    return wide;
  }

  /** Writes all of a matrix. */
  void widen(CudaNf4Tensor packed, CudaTensor destination) {
    if (destination.size() != packed.size()) {
      throw new IllegalArgumentException(packed + " and " + destination + " differ in size");
    }
    long vectors = packed.size() / PER_THREAD;
    kernel("nf4Widen", destination)
        .launch(
            grid(vectors), 1, 1, THREADS, 0, packed.codes(), packed.scales(), vectors, destination);
  }

  private CudaKernel kernel(String function, CudaTensor wide) {
    boolean aligned = wide.address() % 16 == 0;
    return device.kernel(
        CudaNf4.class,
        "nf4.cu",
        function,
        define("ELEMENT", floats(wide)),
        define("VEC", aligned ? PER_THREAD : 1));
  }

  private static int grid(long threads) {
    return Math.toIntExact((threads + THREADS - 1) / THREADS);
  }
}
