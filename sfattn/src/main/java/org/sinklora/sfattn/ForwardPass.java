package org.sinklora.sfattn;

import java.util.Arrays;
import org.sinklora.compute.Scratch;

/**
 * The forward of one call: for every tile of queries, an online softmax over tiles of keys. Scores
 * are kept in base 2, {@code log2(e)/√headDim · q·k}.
 */
final class ForwardPass {
  private static final double LOG2_E = 1 / Math.log(2);

  private final TileKernels kernels;
  private final HeadRows q;
  private final PackedHeads keys;
  private final PackedHeads values;
  private final HeadRows out;
  private final float[] logSumExp;
  private final int group;
  private final int dim;
  private final float scale;

  /**
   * @param group query heads that share a key-value head
   * @param logSumExp [tokens, heads], natural
   */
  ForwardPass(
      TileKernels kernels,
      HeadRows q,
      PackedHeads keys,
      PackedHeads values,
      int group,
      HeadRows out,
      float[] logSumExp) {
    this.kernels = kernels;
    this.q = q;
    this.keys = keys;
    this.values = values;
    this.group = group;
    this.out = out;
    this.logSumExp = logSumExp;
    this.dim = q.headDim();
    this.scale = (float) (LOG2_E / Math.sqrt(dim));
  }

  void run(WorkItem item, Scratch scratch) {
    for (int first = item.from(); first < item.to(); first += TileKernels.QUERIES) {
      tile(item, first, Math.min(item.to() - first, TileKernels.QUERIES), scratch);
    }
  }

  private void tile(WorkItem item, int first, int queries, Scratch scratch) {
    int width = kernels.padded(queries);
    float[] rows = scratch.floats(0, TileKernels.QUERIES * dim);
    float[] queryColumns = scratch.floats(1, TileKernels.QUERIES * dim);
    float[] outColumns = scratch.floats(2, TileKernels.QUERIES * dim);
    float[] scores = scratch.floats(3, TileKernels.KEYS * TileKernels.QUERIES);
    float[] maximum = scratch.floats(4, TileKernels.QUERIES);
    float[] sum = scratch.floats(5, TileKernels.QUERIES);
    float[] rescale = scratch.floats(6, TileKernels.QUERIES);
    for (int i = 0; i < queries; i++) {
      q.read(item.token(first + i), item.head(), rows, i * dim);
    }
    QueryTile.transpose(rows, dim, queries, width, dim, scale, queryColumns);
    Arrays.fill(outColumns, 0f);
    Arrays.fill(maximum, TileKernels.MASKED);
    Arrays.fill(sum, 0f);

    float[] headKeys = keys.head(item.head() / group);
    float[] headValues = values.head(item.head() / group);
    int stride = keys.stride();
    int sinks = item.segment().sinks();
    int local = first + queries;
    for (int key = -sinks; key < local; ) {
      // Sinks are counted up to -1, local keys from 0 on.
      int at = keys.at(key < 0 ? item.documentStart() + sinks + key : item.token(key));
      int tileKeys =
          key < 0
              ? Math.min(-key, TileKernels.KEYS)
              : item.contiguous(key, Math.min(local - key, TileKernels.KEYS));
      if (key < 0) {
        QueryTile.start(scores, tileKeys);
      } else {
        QueryTile.startCausal(scores, tileKeys, key - first);
      }
      kernels.product(
          headKeys,
          at,
          stride,
          1,
          queryColumns,
          0,
          TileKernels.QUERIES,
          scores,
          0,
          TileKernels.QUERIES,
          tileKeys,
          width,
          dim);
      if (kernels.onlineSoftmax(scores, tileKeys, width, maximum, sum, rescale)) {
        kernels.scaleColumns(outColumns, dim, width, rescale);
      }
      kernels.product(
          headValues,
          at,
          1,
          stride,
          scores,
          0,
          TileKernels.QUERIES,
          outColumns,
          0,
          TileKernels.QUERIES,
          dim,
          width,
          tileKeys);
      key += tileKeys;
    }

    for (int i = 0; i < queries; i++) {
      rescale[i] = 1 / sum[i];
    }
    QueryTile.transposeBack(outColumns, queries, dim, rescale, rows);
    for (int i = 0; i < queries; i++) {
      int token = item.token(first + i);
      out.write(token, item.head(), rows, i * dim);
      logSumExp[token * q.heads() + item.head()] = (float) (maximum[i] / LOG2_E + Math.log(sum[i]));
    }
  }
}
