package org.sinklora.h2o;

/** One value at a time: the twin of {@link VectorCacheKernels}. */
final class PlainCacheKernels implements CacheKernels {
  static final PlainCacheKernels INSTANCE = new PlainCacheKernels();

  @Override
  public void scores(
      float[] q,
      int qAt,
      int qRow,
      int queries,
      float[] keys,
      int keysAt,
      int dim,
      float[] scores,
      int scoresAt,
      int scoresRow) {
    for (int g = 0; g < queries; g++) {
      for (int slot = 0; slot < KvBlock.PANEL; slot++) {
        double sum = 0;
        for (int c = 0; c < dim; c++) {
          sum += (double) q[qAt + g * qRow + c] * keys[keysAt + c * KvBlock.PANEL + slot];
        }
        scores[scoresAt + g * scoresRow + slot] = (float) sum;
      }
    }
  }

  @Override
  public void values(
      float[] weights,
      int weightsAt,
      int weightsRow,
      int queries,
      float[] values,
      int valuesAt,
      int width,
      int slots,
      float[] out) {
    for (int g = 0; g < queries; g++) {
      for (int c = 0; c < width; c++) {
        double sum = out[g * width + c];
        for (int slot = 0; slot < slots; slot++) {
          sum +=
              (double) weights[weightsAt + g * weightsRow + slot]
                  * values[valuesAt + slot * width + c];
        }
        out[g * width + c] = (float) sum;
      }
    }
  }
}
