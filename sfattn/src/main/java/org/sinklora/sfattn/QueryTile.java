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
    int i = 0;
    // Four rows at a time, so that what is written lies together.
    for (; i + 4 <= queries; i += 4) {
      int row0 = i * rowStride;
      int row1 = row0 + rowStride;
      int row2 = row1 + rowStride;
      int row3 = row2 + rowStride;
      for (int c = 0, at = i; c < dim; c++, at += TileKernels.QUERIES) {
        columns[at] = factor * rows[row0 + c];
        columns[at + 1] = factor * rows[row1 + c];
        columns[at + 2] = factor * rows[row2 + c];
        columns[at + 3] = factor * rows[row3 + c];
      }
    }
    for (; i < queries; i++) {
      for (int c = 0, at = i; c < dim; c++, at += TileKernels.QUERIES) {
        columns[at] = factor * rows[i * rowStride + c];
      }
    }
    for (; i < width; i++) {
      for (int c = 0, at = i; c < dim; c++, at += TileKernels.QUERIES) {
        columns[at] = 0;
      }
    }
  }

  /** {@code rows[i, c] = factors[i] · columns[c, i]}; rows are {@code dim} elements apart. */
  static void transposeBack(float[] columns, int queries, int dim, float[] factors, float[] rows) {
    int c = 0;
    for (; c + 4 <= dim; c += 4) {
      int column0 = c * TileKernels.QUERIES;
      int column1 = column0 + TileKernels.QUERIES;
      int column2 = column1 + TileKernels.QUERIES;
      int column3 = column2 + TileKernels.QUERIES;
      for (int i = 0, at = c; i < queries; i++, at += dim) {
        float factor = factors[i];
        rows[at] = factor * columns[column0 + i];
        rows[at + 1] = factor * columns[column1 + i];
        rows[at + 2] = factor * columns[column2 + i];
        rows[at + 3] = factor * columns[column3 + i];
      }
    }
    for (; c < dim; c++) {
      for (int i = 0, at = c; i < queries; i++, at += dim) {
        rows[at] = factors[i] * columns[c * TileKernels.QUERIES + i];
      }
    }
  }

  /** Starts a tile of scores that are all seen: zeros, to which products are added. */
  static void start(float[] scores, int rows) {
    Arrays.fill(scores, 0, rows * TileKernels.QUERIES, 0f);
  }

  /**
   * Starts a tile in which some keys come after some queries: these scores are {@link
   * TileKernels#MASKED}, and adding a product to that leaves it as it is.
   *
   * @param later index of the tile's first key less that of its first query; in row {@code j} the
   *     columns below {@code later + j} are masked
   */
  static void startCausal(float[] scores, int rows, int later) {
    start(scores, rows);
    for (int j = Math.max(0, 1 - later); j < rows; j++) {
      int at = j * TileKernels.QUERIES;
      int masked = Math.min(TileKernels.QUERIES, later + j);
      Arrays.fill(scores, at, at + masked, TileKernels.MASKED);
    }
  }
}
