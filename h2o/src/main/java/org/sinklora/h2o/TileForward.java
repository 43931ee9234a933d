package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.Scratch;
import org.sinklora.sfattn.TileKernels;

/**
 * Causal attention of one tile of queries of one head over tiles of keys, one after the other, by
 * online softmax. The running state lies in the worker's scratch.
 *
 * <p>Tiles hold keys in rows and queries in columns, as {@link TileKernels} asks.
 */
final class TileForward {
  static final int TILE = TileKernels.QUERIES;
  static final double LOG2_E = 1 / Math.log(2);

  private final TileKernels tiles = TileKernels.best();
  private final DecoderShape shape;
  private final int dim;

  TileForward(DecoderShape shape) {
    this.shape = shape;
    this.dim = shape.config().headDim();
  }

  /** Columns of scores that are computed for that many queries. */
  int width(int queries) {
    return tiles.padded(queries);
  }

  /**
   * Queries to columns, scaled to scores in base 2; unused columns become zero. Starts the tile.
   *
   * @param qkv rotated queries, as {@link DecoderShape} lays them out
   * @param row of the first query
   * @param columns receives [headDim, TILE] from {@code columnsAt} on
   */
  void start(
      int head, float[] qkv, int row, int queries, float[] columns, int columnsAt, Scratch own) {
    float factor = (float) (LOG2_E / Math.sqrt(dim));
    int from = shape.queryAt() + head * shape.headStride();
    for (int i = 0; i < queries; i++) {
      int at = (row + i) * shape.qkvSize() + from;
      for (int c = 0; c < dim; c++) {
        columns[columnsAt + c * TILE + i] = factor * qkv[at + c];
      }
    }
    int width = width(queries);
    for (int c = 0; c < dim && queries < width; c++) {
      int at = columnsAt + c * TILE;
      Arrays.fill(columns, at + queries, at + width, 0f);
    }
    Arrays.fill(out(own), 0, dim * TILE, 0f);
    Arrays.fill(maximum(own), 0, TILE, TileKernels.MASKED);
    Arrays.fill(sum(own), 0, TILE, 0f);
  }

  /**
   * Attends to {@code n} keys and values.
   *
   * @param keyRow elements from a key to the next
   * @param keyDepth elements from a key's component to the next
   * @param valueRow elements from a value to the next; its components are adjacent
   * @param later how far behind the first query the first key comes; negative if before it
   */
  void add(
      float[] columns,
      int columnsAt,
      int width,
      float[] keys,
      int keysAt,
      int keyRow,
      int keyDepth,
      float[] values,
      int valuesAt,
      int valueRow,
      int n,
      int later,
      Scratch own) {
    float[] scores = own.floats(ScratchSlots.TILE_SCORES, TILE * TILE);
    float[] rescale = own.floats(ScratchSlots.TILE_RESCALE, TILE);
    float[] out = out(own);
    mask(scores, n, width, later);
    tiles.product(
        keys, keysAt, keyRow, keyDepth, columns, columnsAt, TILE, scores, 0, TILE, n, width, dim);
    if (tiles.onlineSoftmax(scores, n, width, maximum(own), sum(own), rescale)) {
      tiles.scaleColumns(out, dim, width, rescale);
    }
    tiles.product(values, valuesAt, 1, valueRow, scores, 0, TILE, out, 0, TILE, dim, width, n);
  }

  /**
   * Writes what the queries have attended to.
   *
   * @param attended [rows, heads · headDim]
   * @param row of the first query
   */
  void finish(int head, float[] attended, int row, int queries, Scratch own) {
    float[] out = out(own);
    float[] sum = sum(own);
    for (int i = 0; i < queries; i++) {
      int at = (row + i) * shape.attendedSize() + head * dim;
      for (int c = 0; c < dim; c++) {
        attended[at + c] = out[c * TILE + i] / sum[i];
      }
    }
  }

  /** The log-sum-exp of a query's scores, in base 2. */
  float logSumExp(int query, Scratch own) {
    return (float) (maximum(own)[query] + Math.log(sum(own)[query]) * LOG2_E);
  }

  /** Starts a tile: 0, and {@link TileKernels#MASKED} where a key comes after the query. */
  static void mask(float[] scores, int n, int width, int later) {
    for (int j = 0; j < n; j++) {
      int masked = Math.max(0, Math.min(width, later + j));
      Arrays.fill(scores, j * TILE, j * TILE + masked, TileKernels.MASKED);
      Arrays.fill(scores, j * TILE + masked, j * TILE + width, 0f);
    }
  }

  private float[] out(Scratch own) {
    return own.floats(ScratchSlots.TILE_OUT, dim * TILE);
  }

  private static float[] maximum(Scratch own) {
    return own.floats(ScratchSlots.TILE_MAXIMUM, TILE);
  }

  private static float[] sum(Scratch own) {
    return own.floats(ScratchSlots.TILE_SUM, TILE);
  }
}
