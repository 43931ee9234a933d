package org.sinklora.compute;

import static org.bytedeco.openblas.global.openblas.CblasNoTrans;
import static org.bytedeco.openblas.global.openblas.CblasRowMajor;
import static org.bytedeco.openblas.global.openblas.CblasTrans;
import static org.bytedeco.openblas.global.openblas.cblas_sgemm;
import static org.bytedeco.openblas.global.openblas_nolapack.blas_set_num_threads;

import java.util.Arrays;
import org.nd4j.linalg.factory.Nd4j;

/**
 * Matrix products by OpenBLAS, called on the tensors' memory.
 *
 * <p>The rows (or columns) of the result are shared out among our own workers, each calling a
 * single-threaded product: OpenBLAS's own threads would spin on the cores between two products,
 * while ours are at work on the next operation.
 */
final class CpuMatmul {
  /** Below this many multiplications a hand-over to another thread costs more than it gains. */
  private static final long WORTH_SHARING = 1L << 18;

  private final CpuWorkers workers;

  CpuMatmul(CpuWorkers workers) {
    this.workers = workers;
    // ND4J sets the number of BLAS threads when it is loaded: load it first, or it undoes ours.
    Nd4j.getBackend();
    blas_set_num_threads(1);
  }

  void multiply(
      CpuTensor a, boolean ta, CpuTensor b, boolean tb, float alpha, float beta, CpuTensor c) {
    int m = extent(c, 0);
    int n = extent(c, 1);
    int k = extent(a, ta ? 0 : 1);
    if (extent(a, ta ? 1 : 0) != m || extent(b, tb ? 1 : 0) != k || extent(b, tb ? 0 : 1) != n) {
      throw new IllegalArgumentException(
          "matmul: %s%s · %s%s does not give %s"
              .formatted(
                  Arrays.toString(a.shape()),
                  ta ? "ᵀ" : "",
                  Arrays.toString(b.shape()),
                  tb ? "ᵀ" : "",
                  Arrays.toString(c.shape())));
    }
    int parts = (long) m * n * k < WORTH_SHARING ? 1 : workers.threads();
    boolean byRows = m >= n;
    int extent = byRows ? m : n;
    // Multiples of a cache line keep the parts' micro-kernels whole.
    int part = (((extent + parts - 1) / parts) + 15) / 16 * 16;
    int count = (extent + part - 1) / part;
    int lda = extent(a, 1);
    int ldb = extent(b, 1);
    workers.forEach(
        count,
        (item, scratch) -> {
          int from = item * part;
          int size = Math.min(part, extent - from);
          long aAt = byRows ? (ta ? from : (long) from * lda) : 0;
          long bAt = byRows ? 0 : (tb ? (long) from * ldb : from);
          long cAt = byRows ? (long) from * n : from;
          cblas_sgemm(
              CblasRowMajor,
              ta ? CblasTrans : CblasNoTrans,
              tb ? CblasTrans : CblasNoTrans,
              byRows ? size : m,
              byRows ? n : size,
              k,
              alpha,
              a.pointer(aAt),
              lda,
              b.pointer(bAt),
              ldb,
              beta,
              c.pointer(cAt),
              n);
        });
  }

  private static int extent(CpuTensor tensor, int axis) {
    if (tensor.shape().length != 2) {
      throw new IllegalArgumentException(
          "matmul takes matrices, not " + Arrays.toString(tensor.shape()));
    }
    return Math.toIntExact(tensor.dim(axis));
  }
}
