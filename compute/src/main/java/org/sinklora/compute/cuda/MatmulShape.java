package org.sinklora.compute.cuda;

import java.util.Arrays;

/**
 * All that the choice of an algorithm depends on: {@code d[m, n] = alpha · op(a)[m, k] · op(b)[k,
 * n] + beta · c[m, n]}.
 *
 * @param in type of a and b
 * @param out type of c and d
 * @param alignA what the address of a is a multiple of, in bytes; at most 256
 * @param addsC beta is not 0
 */
record MatmulShape(
    long m,
    long n,
    long k,
    boolean transposeA,
    boolean transposeB,
    ElementType in,
    ElementType out,
    int alignA,
    int alignB,
    int alignC,
    int alignD,
    boolean addsC) {
  private static final int LARGEST_ALIGNMENT = 256;

  /**
   * The shape of a product whose operands already have their final types.
   *
   * @throws IllegalArgumentException if the shapes do not fit
   */
  static MatmulShape of(
      CudaTensor a,
      boolean transposeA,
      CudaTensor b,
      boolean transposeB,
      CudaTensor c,
      CudaTensor d,
      boolean addsC) {
    return new MatmulShape(
        d.dim(0),
        d.dim(1),
        a.dim(transposeA ? 0 : 1),
        transposeA,
        transposeB,
        a.type(),
        d.type(),
        alignment(a.address()),
        alignment(b.address()),
        alignment(c.address()),
        alignment(d.address()),
        addsC);
  }

  static void check(
      CudaTensor a, boolean transposeA, CudaTensor b, boolean transposeB, CudaTensor c) {
    for (CudaTensor matrix : new CudaTensor[] {a, b, c}) {
      if (matrix.shape().length != 2) {
        throw new IllegalArgumentException(
            "matmul takes matrices, not " + Arrays.toString(matrix.shape()));
      }
    }
    if (a.dim(transposeA ? 1 : 0) != c.dim(0)
        || b.dim(transposeB ? 1 : 0) != a.dim(transposeA ? 0 : 1)
        || b.dim(transposeB ? 0 : 1) != c.dim(1)) {
      throw new IllegalArgumentException(
          "matmul: %s%s · %s%s does not give %s"
              .formatted(
                  Arrays.toString(a.shape()),
                  transposeA ? "ᵀ" : "",
                  Arrays.toString(b.shape()),
                  transposeB ? "ᵀ" : "",
                  Arrays.toString(c.shape())));
    }
  }

  /** The largest power of two that divides the address, up to what cuBLASLt distinguishes. */
  static int alignment(long address) {
    return (int) Math.min(LARGEST_ALIGNMENT, Long.lowestOneBit(address));
  }
}
