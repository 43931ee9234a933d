package org.sinklora.h2o;

import org.sinklora.compute.Scratch;
import org.sinklora.sfattn.TileKernels;

/** Weights in float32. */
final class FloatMatrix extends Matrix {
  /** Columns of a panel that are multiplied with many vectors before the next: they stay cached. */
  private static final int DEPTH = 256;

  private final TileKernels kernels = TileKernels.best();
  private final float[] weights;

  FloatMatrix(WeightRows rows) {
    super(rows.out(), rows.in());
    weights = new float[elements()];
    float[] row = new float[in()];
    for (int r = 0; r < out(); r++) {
      rows.read(r, row);
      for (int c = 0, at = at(r); c < in(); c++, at += PANEL) {
        weights[at] = row[c];
      }
    }
  }

  @Override
  void multiply(
      float[] x,
      int xAt,
      int xRow,
      int n,
      int from,
      int to,
      float[] y,
      int yAt,
      int yRow,
      Scratch scratch) {
    int depth = n > 4 ? Math.min(DEPTH, in()) : in();
    for (int panel = from; panel < to; panel++) {
      for (int c = 0; c < in(); c += depth) {
        kernels.product(
            x,
            xAt + c,
            xRow,
            1,
            weights,
            (panel * in() + c) * PANEL,
            PANEL,
            y,
            yAt + panel * PANEL,
            yRow,
            n,
            PANEL,
            Math.min(depth, in() - c));
      }
    }
  }

  @Override
  void row(int row, float[] destination, int at) {
    for (int c = 0, from = at(row); c < in(); c++, from += PANEL) {
      destination[at + c] = weights[from];
    }
  }

  @Override
  long bytes() {
    return (long) weights.length * Float.BYTES;
  }
}
