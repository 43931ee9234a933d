package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulAlgoGetHeuristic;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutInit;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16BF;
import static org.bytedeco.cuda.global.cudart.CUDA_R_32F;

import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;

/**
 * How cuBLASLt is to compute products of one shape: descriptions of the matrices and an algorithm.
 *
 * <p>cuBLASLt counts by columns: what is a row-major [m, n] to us is a column-major [n, m] to it.
 * So it is asked for the transposed product, dᵀ = op(b)ᵀ · op(a)ᵀ, for which nothing has to be
 * moved: its first operand is our b.
 */
final class MatmulPlan {
  static final long WORKSPACE_BYTES = 64L << 20;

  private static final int CANDIDATES = 8;

  final cublasLtMatmulDescOpaque_t product = new cublasLtMatmulDescOpaque_t();
  final cublasLtMatrixLayoutOpaque_t layoutA = new cublasLtMatrixLayoutOpaque_t();
  final cublasLtMatrixLayoutOpaque_t layoutB = new cublasLtMatrixLayoutOpaque_t();
  final cublasLtMatrixLayoutOpaque_t layoutD = new cublasLtMatrixLayoutOpaque_t();
  final cublasLtMatmulAlgo_t algorithm;

  /** The candidates' memory, which the algorithm lies in. */
  private final cublasLtMatmulHeuristicResult_t candidates =
      new cublasLtMatmulHeuristicResult_t(CANDIDATES);

  MatmulPlan(CudaContext context, cublasLtContext handle, MatmulShape shape) {
    check(context, cublasLtMatmulDescInit(product, CUBLAS_COMPUTE_32F, CUDA_R_32F), shape);
    describe(context, CUBLASLT_MATMUL_DESC_TRANSA, shape.transposeB(), shape);
    describe(context, CUBLASLT_MATMUL_DESC_TRANSB, shape.transposeA(), shape);
    layout(context, layoutB, shape.in(), shape.transposeB(), shape.n(), shape.k(), shape);
    layout(context, layoutA, shape.in(), shape.transposeA(), shape.k(), shape.m(), shape);
    layout(context, layoutD, shape.out(), false, shape.n(), shape.m(), shape);
    this.algorithm = choose(context, handle, shape);
  }

  private void describe(CudaContext context, int which, boolean transpose, MatmulShape shape) {
    try (IntPointer operation = new IntPointer(1)) {
      operation.put(transpose ? CUBLAS_OP_T : CUBLAS_OP_N);
      check(
          context, cublasLtMatmulDescSetAttribute(product, which, operation, Integer.BYTES), shape);
    }
  }

  /** A matrix that is column-major [rows, columns] once the transposition has been applied. */
  private static void layout(
      CudaContext context,
      cublasLtMatrixLayoutOpaque_t layout,
      ElementType type,
      boolean transposed,
      long rows,
      long columns,
      MatmulShape shape) {
    long storedRows = transposed ? columns : rows;
    long storedColumns = transposed ? rows : columns;
    check(
        context,
        cublasLtMatrixLayoutInit(layout, cudaType(type), storedRows, storedColumns, storedRows),
        shape);
  }

  private static int cudaType(ElementType type) {
    return type == ElementType.FLOAT32 ? CUDA_R_32F : CUDA_R_16BF;
  }

  private cublasLtMatmulAlgo_t choose(
      CudaContext context, cublasLtContext handle, MatmulShape shape) {
    int[] found = new int[1];
    try (cublasLtMatmulPreferenceOpaque_t preference = new cublasLtMatmulPreferenceOpaque_t()) {
      check(context, cublasLtMatmulPreferenceInit(preference), shape);
      try (LongPointer bytes = new LongPointer(1).put(WORKSPACE_BYTES)) {
        check(
            context,
            cublasLtMatmulPreferenceSetAttribute(
                preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes, Long.BYTES),
            shape);
      }
      // Sums of a divided k go through the workspace in float32 and a fixed order; in place they
      // would be added as they come.
      prefer(
          context,
          preference,
          CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
          CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE,
          shape);
      prefer(
          context, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.alignB(), shape);
      prefer(
          context, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.alignA(), shape);
      prefer(
          context, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.alignC(), shape);
      prefer(
          context, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.alignD(), shape);
      check(
          context,
          cublasLtMatmulAlgoGetHeuristic(
              handle,
              product,
              layoutB,
              layoutA,
              layoutD,
              layoutD,
              preference,
              CANDIDATES,
              candidates,
              found),
          shape);
    }
    for (int i = 0; i < found[0]; i++) {
      cublasLtMatmulHeuristicResult_t candidate = candidates.getPointer(i);
      if (candidate.state() == 0) {
        return candidate.algo();
      }
    }
    throw new CudaException("cuBLASLt knows no algorithm for " + shape);
  }

  private static void prefer(
      CudaContext context,
      cublasLtMatmulPreferenceOpaque_t preference,
      int which,
      int value,
      MatmulShape shape) {
    try (IntPointer pointer = new IntPointer(1).put(value)) {
      check(
          context,
          cublasLtMatmulPreferenceSetAttribute(preference, which, pointer, Integer.BYTES),
          shape);
    }
  }

  private static void check(CudaContext context, int result, MatmulShape shape) {
    if (result != 0) {
      throw context.failure("cuBLASLt's preparation of " + shape, CudaStatus.cublasLt(result));
    }
  }
}
