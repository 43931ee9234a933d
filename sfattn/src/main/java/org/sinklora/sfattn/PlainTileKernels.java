package org.sinklora.sfattn;

/**
 * The kernels in plain Java: what runs without the Vector API, and what its kernels are checked
 * against.
 */
final class PlainTileKernels implements TileKernels {
  private static final double LN_2 = Math.log(2);

  @Override
  public int lanes() {
    return 1;
  }

  @Override
  public void product(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int rows,
      int width,
      int depth) {
    for (int row = 0; row < rows; row++) {
      int out = cAt + row * cRow;
      for (int d = 0; d < depth; d++) {
        addScaled(a[aAt + row * aRow + d * aDepth], b, bAt + d * bRow, c, out, width);
      }
    }
  }

  /** Its own method, small enough for the compiler to vectorise. */
  private static void addScaled(float factor, float[] x, int xAt, float[] y, int yAt, int count) {
    for (int i = 0; i < count; i++) {
      y[yAt + i] += factor * x[xAt + i];
    }
  }

  @Override
  public boolean onlineSoftmax(
      float[] scores, int rows, int width, float[] maximum, float[] sum, float[] rescale) {
    boolean shrunk = false;
    for (int i = 0; i < width; i++) {
      float before = maximum[i];
      float now = before;
      for (int j = 0; j < rows; j++) {
        now = Math.max(now, scores[j * QUERIES + i]);
      }
      float added = 0;
      for (int j = 0; j < rows; j++) {
        float weight = exp2(scores[j * QUERIES + i] - now);
        scores[j * QUERIES + i] = weight;
        added += weight;
      }
      rescale[i] = exp2(before - now);
      sum[i] = sum[i] * rescale[i] + added;
      maximum[i] = now;
      shrunk |= now > before;
    }
    return shrunk;
  }

  @Override
  public void scaleColumns(float[] tile, int rows, int width, float[] factors) {
    for (int row = 0; row < rows; row++) {
      for (int i = 0; i < width; i++) {
        tile[row * QUERIES + i] *= factors[i];
      }
    }
  }

  @Override
  public void probabilities(float[] scores, int rows, int width, float[] logSumExp) {
    for (int j = 0; j < rows; j++) {
      for (int i = 0; i < width; i++) {
        scores[j * QUERIES + i] = exp2(scores[j * QUERIES + i] - logSumExp[i]);
      }
    }
  }

  @Override
  public void softmaxBackward(
      float[] probabilities, float[] gradient, int rows, int width, float[] delta) {
    for (int j = 0; j < rows; j++) {
      for (int i = 0; i < width; i++) {
        int at = j * QUERIES + i;
        gradient[at] = probabilities[at] * (gradient[at] - delta[i]);
      }
    }
  }

  private static float exp2(float x) {
    return (float) Math.exp(x * LN_2);
  }
}
