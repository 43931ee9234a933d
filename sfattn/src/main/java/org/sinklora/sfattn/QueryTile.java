package org.sinklora.sfattn;

import java.util.Arrays;

/** Moves rows of queries to columns and back. */
final class QueryTile {
  private QueryTile() {}

  /**
   * {@code columns[c, i] = factor · rows[i, c]}. Unused columns up to the width become zero: they
   * take part in the products.
   */
  static void transpose(
      float[] rows, int rowStride, int queries, int width, int dim, float factor, float[] columns) {
    for (int c = 0; c < dim; c++) {
      int out = c * TileKernels.QUERIES;
      for (int i = 0; i < queries; i++) {
        columns[out + i] = factor * rows[i * rowStride + c];
      }
      Arrays.fill(columns, out + queries, out + width, 0f);
    }
  }

  /** {@code row[c] = factor · columns[c, query]}. */
  static void column(float[] columns, int query, int dim, float factor, float[] row) {
    for (int c = 0; c < dim; c++) {
      row[c] = factor * columns[c * TileKernels.QUERIES + query];
    }
  }

  /**
   * Starts a tile of scores: zeros, to which products are added, and {@link TileKernels#MASKED}
   * where a key comes after the query; adding a score to that leaves it as it is.
   *
   * @param later index of the tile's first key less that of its first query; in row {@code j} the
   *     columns below {@code later + j} are masked
   */
  static void start(float[] scores, int rows, int width, int later) {
    for (int j = 0; j < rows; j++) {
      int at = j * TileKernels.QUERIES;
      int masked = Math.max(0, Math.min(width, later + j));
      Arrays.fill(scores, at, at + masked, TileKernels.MASKED);
      Arrays.fill(scores, at + masked, at + width, 0f);
    }
  }
}
