package org.sinklora.h2o;

import org.sinklora.compute.Scratch;
import org.sinklora.sfattn.TileKernels;

/**
 * A weight [out, in] as decoding reads it: in panels of {@link #PANEL} rows, column by column with
 * the rows side by side. A product with a few vectors then streams through the weight once, in
 * order, without a reduction across lanes; a product with many is a blocked one.
 */
abstract sealed class Matrix permits FloatMatrix, BfloatMatrix, Int8Matrix {
  /** Rows of a panel. */
  static final int PANEL = TileKernels.QUERIES;

  private final int out;
  private final int in;

  Matrix(int out, int in) {
    this.out = out;
    this.in = in;
  }

  /** Packs a weight. */
  static Matrix of(WeightRows rows, WeightPrecision precision) {
    return switch (precision) {
      case FLOAT32 -> new FloatMatrix(rows);
      case BFLOAT16 -> new BfloatMatrix(rows);
      case INT8 -> new Int8Matrix(rows);
      case NF4 ->
          throw new IllegalArgumentException(
              "Weights in 4 bits are read by GPUs only; take int8 on the CPU");
    };
  }

  final int out() {
    return out;
  }

  final int in() {
    return in;
  }

  final int panels() {
    return panels(out);
  }

  static int panels(int rows) {
    return (rows + PANEL - 1) / PANEL;
  }

  /** {@code rows} rounded up to whole panels: what an output vector has room for. */
  static int padded(int rows) {
    return Math.multiplyExact(panels(rows), PANEL);
  }

  final int elements() {
    return Math.multiplyExact(padded(out), in);
  }

  /** Element of row {@code row}, column 0; the next column is {@link #PANEL} elements on. */
  final int at(int row) {
    return row / PANEL * PANEL * in + row % PANEL;
  }

  /**
   * Adds the product with {@code n} vectors for some panels of output rows: {@code y[i, r] += Σ_c
   * W[r, c] · x[i, c]} for rows r of panels [from, to).
   *
   * @param x vector i begins at {@code xAt + i · xRow}
   * @param y output i begins at {@code yAt + i · yRow}, with room for whole panels
   */
  abstract void multiply(
      float[] x,
      int xAt,
      int xRow,
      int n,
      int from,
      int to,
      float[] y,
      int yAt,
      int yRow,
      Scratch scratch);

  /** Copies a row, for example the embedding of a token. */
  abstract void row(int row, float[] destination, int at);

  /** Bytes of the weights. */
  abstract long bytes();
}
