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
 */
final class PromptAttention implements AttentionStage {
  private static final int TILE = TileForward.TILE;

  /** Keys whose sums one item of the second pass makes. */
  private static final int SCORED_KEYS = 256;

  /** A log-sum-exp that makes every probability of its query 0. */
  private static final float NOT_COUNTED = 1e30f;

  private final DecoderShape shape;
  private final DecoderPass pass;
  private final CpuTeam team;
  private final PromptBuffers buffers;
  private final TileKernels tiles = TileKernels.best();
  private final TileForward forward;
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
    this.forward = new TileForward(shape);
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

  /** The forward of one tile of queries of one head. */
  private void tile(int head, int tile, Scratch own) {
    int queries = Math.min(TILE, count - tile * TILE);
    int width = forward.width(queries);
    int columns = (head * tilesPerHead + tile) * dim * TILE;
    forward.start(head, pass.qkv(), tile * TILE, queries, queryColumns, columns, own);
    float[] keys = buffers.keys(head / shape.group());
    float[] values = buffers.values(head / shape.group());
    int firstQuery = first + tile * TILE;
    int end = firstQuery + queries;
    for (int key = 0; key < end; key += TILE) {
      int n = Math.min(TILE, end - key);
      int at = key * dim;
      forward.add(
          queryColumns,
          columns,
          width,
          keys,
          at,
          dim,
          1,
          values,
          at,
          dim,
          n,
          key - firstQuery,
          own);
    }
    forward.finish(head, pass.attended(), tile * TILE, queries, own);
    int totals = (head * tilesPerHead + tile) * TILE;
    Arrays.fill(logSumExp, totals, totals + TILE, NOT_COUNTED);
    for (int i = Math.max(0, firstScoring - firstQuery); i < queries; i++) {
      logSumExp[totals + i] = forward.logSumExp(i, own);
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
          TileForward.mask(probabilities, n, width, key - firstQuery);
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
