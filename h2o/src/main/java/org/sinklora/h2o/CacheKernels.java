package org.sinklora.h2o;

import org.sinklora.compute.VectorUnit;

/** The two products of attention over a panel of the cache. Two implementations, one test. */
interface CacheKernels {

  static CacheKernels best() {
    return VectorUnit.isPresent() ? VectorCacheKernels.INSTANCE : PlainCacheKernels.INSTANCE;
  }

  /**
   * {@code scores[g, s] = Σ_c q[g, c] · keys[c, s]} for the 64 slots of a panel.
   *
   * @param q query g begins at {@code qAt + g · qRow}
   * @param keys component c begins at {@code keysAt + 64 · c}
   * @param scores those of query g begin at {@code scoresAt + g · scoresRow}; overwritten
   */
  void scores(
      float[] q,
      int qAt,
      int qRow,
      int queries,
      float[] keys,
      int keysAt,
      int dim,
      float[] scores,
      int scoresAt,
      int scoresRow);

  /**
   * {@code out[g, c] += Σ_s weights[g, s] · values[s, c]}.
   *
   * @param weights those of query g begin at {@code weightsAt + g · weightsRow}
   * @param values slot s begins at {@code valuesAt + s · width}
   * @param width components, a multiple of the vector length
   * @param out that of query g begins at {@code g · width}
   */
  void values(
      float[] weights,
      int weightsAt,
      int weightsRow,
      int queries,
      float[] values,
      int valuesAt,
      int width,
      int slots,
      float[] out);
}
