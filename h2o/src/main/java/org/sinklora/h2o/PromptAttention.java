package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;
import org.sinklora.sfattn.TileKernels;

/**
 * Causal attention of a chunk of a prompt over all of it so far, in tiles: no matrix of the
 * prompt's length squared exists. Where a policy wants scores, a second pass over the tiles makes
 * the probabilities again from the saved log-sum-exp and sums them over the queries.
 *
 * <p>Tiles hold keys in rows and queries in columns, as {@link TileKernels} asks.
 */
final class PromptAttention implements AttentionStage {
  private static final int TILE = TileKernels.QUERIES;

  /** Keys whose sums one item of the second pass makes. */
  private static final int SCORED_KEYS = 256;

  private static final double LOG2_E = 1 / Math.log(2);

  /** A log-sum-exp that makes every probability of its query 0. */
  private static final float NOT_COUNTED = 1e30f;

  private final DecoderShape shape;
  private final DecoderPass pass;
  private final CpuTeam team;
  private final PromptBuffers buffers;
  private final TileKernels tiles = TileKernels.best();
  private final RowKernels rows = RowKernels.best();
  private final int dim;
  private final int pairs;
  private final int tilesPerHead;
  private final float[] queryColumns;
  private final float[] logSumExp;
  private int first;
  private int count;
  private int firstScoring;

  /**
   * @param maxRows tokens of a chunk, a multiple of the tile
   */
  PromptAttention(
      DecoderShape shape,
      DecoderPass pass,
      CpuTeam team,
      PromptBuffers buffers,
      int pairs,
      int maxRows) {
    this.shape = shape;
    this.pass = pass;
    this.team = team;
    this.buffers = buffers;
    this.dim = shape.config().headDim();
    this.pairs = pairs;
    this.tilesPerHead = maxRows / TILE;
    int heads = shape.config().numAttentionHeads();
    this.queryColumns = new float[heads * tilesPerHead * dim * TILE];
    this.logSumExp = new float[heads * tilesPerHead * TILE];
  }

  /**
   * Sets the chunk; to be called by one member before a barrier.
   *
   * @param newFirst position of its first token
   * @param newFirstScoring position from which on queries count towards the scores
   */
  void at(int newFirst, int newCount, int newFirstScoring) {
    first = newFirst;
    count = newCount;
    firstScoring = newFirstScoring;
  }

  @Override
  public void run(int layer, int member, Scratch own) {
    for (int row = member; row < count; row += team.threads()) {
      takeRow(row);
    }
    team.barrier();
    int heads = shape.config().numAttentionHeads();
    int queryTiles = (count + TILE - 1) / TILE;
    for (int item = member; item < heads * queryTiles; item += team.threads()) {
      tile(item % heads, item / heads, own);
    }
    if (firstScoring < first + count) {
      team.barrier();
      int kvHeads = shape.config().numKeyValueHeads();
      int ranges = (first + count + SCORED_KEYS - 1) / SCORED_KEYS;
      for (int item = member; item < kvHeads * ranges; item += team.threads()) {
        score(item % kvHeads, item / kvHeads * SCORED_KEYS, own);
      }
    }
  }

  /** Rotates a token's queries and key, and puts its key and value where all queries see them. */
  private void takeRow(int row) {
    float[] qkv = pass.qkv();
    int stride = shape.headStride();
    int base = row * shape.qkvSize();
    int table = (first + row) * pairs;
    for (int head = 0; head < shape.config().numAttentionHeads(); head++) {
      int at = base + shape.queryAt() + head * stride;
      rows.rotate(qkv, at, pairs, buffers.cos(), buffers.sin(), table, 1);
    }
    for (int head = 0; head < shape.config().numKeyValueHeads(); head++) {
      int keyAt = base + shape.keyAt() + head * stride;
      rows.rotate(qkv, keyAt, pairs, buffers.cos(), buffers.sin(), table, 1);
      int to = (first + row) * dim;
      System.arraycopy(qkv, keyAt, buffers.keys(head), to, dim);
      System.arraycopy(qkv, base + shape.valueAt() + head * stride, buffers.values(head), to, dim);
    }
  }

  /** The forward of one tile of queries of one head: online softmax over tiles of keys. */
  private void tile(int head, int tile, Scratch own) {
    int queries = Math.min(TILE, count - tile * TILE);
    int width = tiles.padded(queries);
    int columns = (head * tilesPerHead + tile) * dim * TILE;
    transpose(head, tile, queries, width, columns);
    float[] scores = own.floats(ScratchSlots.TILE_SCORES, TILE * TILE);
    float[] out = own.floats(ScratchSlots.TILE_OUT, dim * TILE);
    float[] maximum = own.floats(ScratchSlots.TILE_MAXIMUM, TILE);
    float[] sum = own.floats(ScratchSlots.TILE_SUM, TILE);
    float[] rescale = own.floats(ScratchSlots.TILE_RESCALE, TILE);
    Arrays.fill(out, 0, dim * TILE, 0f);
    Arrays.fill(maximum, 0, TILE, TileKernels.MASKED);
    Arrays.fill(sum, 0, TILE, 0f);
    float[] keys = buffers.keys(head / shape.group());
    float[] values = buffers.values(head / shape.group());
    int firstQuery = first + tile * TILE;
    int end = firstQuery + queries;
    for (int key = 0; key < end; key += TILE) {
      int n = Math.min(TILE, end - key);
      mask(scores, n, width, key - firstQuery);
      tiles.product(
          keys, key * dim, dim, 1, queryColumns, columns, TILE, scores, 0, TILE, n, width, dim);
      if (tiles.onlineSoftmax(scores, n, width, maximum, sum, rescale)) {
        tiles.scaleColumns(out, dim, width, rescale);
      }
      tiles.product(values, key * dim, 1, dim, scores, 0, TILE, out, 0, TILE, dim, width, n);
    }
    float[] attended = pass.attended();
    int totals = (head * tilesPerHead + tile) * TILE;
    Arrays.fill(logSumExp, totals, totals + TILE, NOT_COUNTED);
    for (int i = 0; i < queries; i++) {
      int at = (tile * TILE + i) * shape.attendedSize() + head * dim;
      for (int c = 0; c < dim; c++) {
        attended[at + c] = out[c * TILE + i] / sum[i];
      }
      if (firstQuery + i >= firstScoring) {
        logSumExp[totals + i] = (float) (maximum[i] + Math.log(sum[i]) * LOG2_E);
      }
    }
  }

  /** Queries to columns, scaled to scores in base 2; unused columns become zero. */
  private void transpose(int head, int tile, int queries, int width, int columns) {
    float factor = (float) (LOG2_E / Math.sqrt(dim));
    float[] qkv = pass.qkv();
    int from = shape.queryAt() + head * shape.headStride();
    for (int i = 0; i < queries; i++) {
      int at = (tile * TILE + i) * shape.qkvSize() + from;
      for (int c = 0; c < dim; c++) {
        queryColumns[columns + c * TILE + i] = factor * qkv[at + c];
      }
    }
    for (int c = 0; c < dim && queries < width; c++) {
      int at = columns + c * TILE;
      Arrays.fill(queryColumns, at + queries, at + width, 0f);
    }
  }

  /** Starts a tile: 0, and {@link TileKernels#MASKED} where a key comes after the query. */
  private static void mask(float[] scores, int n, int width, int later) {
    for (int j = 0; j < n; j++) {
      int masked = Math.max(0, Math.min(width, later + j));
      Arrays.fill(scores, j * TILE, j * TILE + masked, TileKernels.MASKED);
      Arrays.fill(scores, j * TILE + masked, j * TILE + width, 0f);
    }
  }

  /** Adds the probabilities that the chunk's queries give to a range of keys to their scores. */
  private void score(int kvHead, int from, Scratch own) {
    float[] probabilities = own.floats(ScratchSlots.TILE_SCORES, TILE * TILE);
    float[] totals = own.floats(ScratchSlots.TILE_SUM, TILE);
    double[] scores = buffers.scores(kvHead);
    int to = Math.min(first + count, from + SCORED_KEYS);
    for (int key = from; key < to; key += TILE) {
      int n = Math.min(TILE, to - key);
      for (int tile = 0; tile * TILE < count; tile++) {
        int queries = Math.min(TILE, count - tile * TILE);
        int firstQuery = first + tile * TILE;
        if (firstQuery + queries <= key || firstQuery + queries <= firstScoring) {
          continue;
        }
        for (int g = 0; g < shape.group(); g++) {
          int head = kvHead * shape.group() + g;
          int at = head * tilesPerHead + tile;
          System.arraycopy(logSumExp, at * TILE, totals, 0, TILE);
          int width = tiles.padded(queries);
          mask(probabilities, n, width, key - firstQuery);
          tiles.product(
              buffers.keys(kvHead),
              key * dim,
              dim,
              1,
              queryColumns,
              at * dim * TILE,
              TILE,
              probabilities,
              0,
              TILE,
              n,
              width,
              dim);
          tiles.probabilities(probabilities, n, width, totals);
          for (int j = 0; j < n; j++) {
            scores[key + j] += rows.sum(probabilities, j * TILE, width);
          }
        }
      }
    }
  }
}
