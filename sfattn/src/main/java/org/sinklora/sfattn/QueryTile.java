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
   * Masks scores of keys that come after a query: of row {@code j} the columns below {@code first +
   * j}.
   *
   * @param first index of the tile's first key less that of its first query
   */
  static void maskLaterKeys(float[] scores, int rows, int width, int first) {
    for (int j = Math.max(0, 1 - first); j < rows; j++) {
      int at = j * TileKernels.QUERIES;
      Arrays.fill(scores, at, at + Math.min(width, first + j), TileKernels.MASKED);
    }
  }
}
