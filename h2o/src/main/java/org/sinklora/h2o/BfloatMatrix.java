package org.sinklora.h2o;

import org.sinklora.compute.Scratch;
import org.sinklora.lora.safetensors.FloatBits;
import org.sinklora.sfattn.TileKernels;

/** Weights in bfloat16, widened to float32 a few columns at a time as they are read. */
final class BfloatMatrix extends Matrix {
  /** Columns that are widened together: 16 KiB, which stay in the first-level cache. */
  private static final int DEPTH = 64;

  private final TileKernels kernels = TileKernels.best();
  private final Widening widening = Widening.best();
  private final short[] weights;

  BfloatMatrix(WeightRows rows) {
    super(rows.out(), rows.in());
    weights = new short[elements()];
    float[] row = new float[in()];
    for (int r = 0; r < out(); r++) {
      rows.read(r, row);
      for (int c = 0, at = at(r); c < in(); c++, at += PANEL) {
        weights[at] = FloatBits.toBfloat(row[c]);
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
        widening.bfloat(weights, (panel * in() + c) * PANEL, wide, depth * PANEL);
        kernels.product(
            x, xAt + c, xRow, 1, wide, 0, PANEL, y, yAt + panel * PANEL, yRow, n, PANEL, depth);
      }
    }
  }

  @Override
  void row(int row, float[] destination, int at) {
    for (int c = 0, from = at(row); c < in(); c++, from += PANEL) {
      destination[at + c] = FloatBits.fromBfloat(weights[from]);
    }
  }

  @Override
  long bytes() {
    return (long) weights.length * Short.BYTES;
  }
}
