package org.sinklora.h2o;

import org.sinklora.compute.Scratch;
import org.sinklora.sfattn.TileKernels;

/** Weights in int8 with a scale for every row, widened a few columns at a time. */
final class Int8Matrix extends Matrix {
  private static final int DEPTH = 64;

  private final TileKernels kernels = TileKernels.best();
  private final Widening widening = Widening.best();
  private final byte[] weights;
  private final float[] scales;

  Int8Matrix(WeightRows rows) {
    super(rows.out(), rows.in());
    weights = new byte[elements()];
    scales = new float[padded(out())];
    float[] row = new float[in()];
    for (int r = 0; r < out(); r++) {
      rows.read(r, row);
      scales[r] = Int8.scale(row, 0, in());
      for (int c = 0, at = at(r); c < in(); c++, at += PANEL) {
        weights[at] = Int8.quantize(row[c], scales[r]);
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
    float[] wide = scratch.floats(ScratchSlots.WEIGHTS, DEPTH * PANEL);
    for (int panel = from; panel < to; panel++) {
      for (int c = 0; c < in(); c += DEPTH) {
        int depth = Math.min(DEPTH, in() - c);
        widening.columnScaled(
            weights, (panel * in() + c) * PANEL, scales, panel * PANEL, wide, depth);
        kernels.product(
            x, xAt + c, xRow, 1, wide, 0, PANEL, y, yAt + panel * PANEL, yRow, n, PANEL, depth);
      }
    }
  }

  @Override
  void row(int row, float[] destination, int at) {
    for (int c = 0, from = at(row); c < in(); c++, from += PANEL) {
      destination[at + c] = scales[row] * weights[from];
    }
  }

  @Override
  long bytes() {
    return weights.length + (long) scales.length * Float.BYTES;
  }
}
