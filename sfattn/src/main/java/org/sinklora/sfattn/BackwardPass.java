package org.sinklora.sfattn;

import java.util.Arrays;
import org.sinklora.compute.Scratch;

/**
 * The backward of one call: for every tile of queries and of keys it recomputes the probabilities P
 * from the log-sum-exp and adds, with {@code Δ(i) = Σ_c dOut(i, c) · out(i, c)},
 *
 * <pre>
 * dV += Pᵀ dOut      dS = P ∘ (dOut Vᵀ − Δ)      dQ += dS K / √headDim      dK += dSᵀ Q / √headDim
 * </pre>
 *
 * <p>A query, and a key as a local one, belong to one segment of a head, so gradients of queries
 * and of local keys have one writer. What a segment adds to its sinks is kept apart and added by
 * {@link #addSinks} in the order of the segments.
 */
final class BackwardPass {
  private static final double LOG2_E = 1 / Math.log(2);

  private final TileKernels kernels;
  private final HeadRows q;
  private final PackedHeads keys;
  private final PackedHeads values;
  private final int group;
  private final HeadRows out;
  private final float[] logSumExp;
  private final HeadRows dOut;
  private final HeadRows dQ;
  private final PackedHeads keyGradients;
  private final PackedHeads valueGradients;
  private final float[][] sinkGradients;
  private final int dim;
  private final float scale;

  /**
   * @param group query heads that share a key-value head
   * @param keyGradients receives a gradient for every query head
   * @param valueGradients receives a gradient for every query head
   * @param sinkGradients room for an array per segment
   */
  BackwardPass(
      TileKernels kernels,
      HeadRows q,
      PackedHeads keys,
      PackedHeads values,
      int group,
      HeadRows out,
      float[] logSumExp,
      HeadRows dOut,
      HeadRows dQ,
      PackedHeads keyGradients,
      PackedHeads valueGradients,
      float[][] sinkGradients) {
    this.kernels = kernels;
    this.q = q;
    this.keys = keys;
    this.values = values;
    this.group = group;
    this.out = out;
    this.logSumExp = logSumExp;
    this.dOut = dOut;
    this.dQ = dQ;
    this.keyGradients = keyGradients;
    this.valueGradients = valueGradients;
    this.sinkGradients = sinkGradients;
    this.dim = q.headDim();
    this.scale = (float) (1 / Math.sqrt(dim));
  }

  /** The gradients of one segment. */
  void run(WorkItem item, Scratch scratch) {
    clear(item);
    for (int first = 0; first < item.to(); first += TileKernels.QUERIES) {
      tile(item, first, Math.min(item.to() - first, TileKernels.QUERIES), scratch);
    }
  }

  private void clear(WorkItem item) {
    int length = item.to();
    for (int key = 0; key < length; ) {
      int at = keys.at(item.token(key));
      int run = item.contiguous(key, length - key);
      int elements = run * keys.stride();
      Arrays.fill(keyGradients.head(item.head()), at, at + elements, 0f);
      Arrays.fill(valueGradients.head(item.head()), at, at + elements, 0f);
      key += run;
    }
    int sinkElements = sinkElements(item);
    if (sinkElements > 0) {
      float[] room = sinkGradients[item.ordinal()];
      if (room == null || room.length < 2 * sinkElements) {
        sinkGradients[item.ordinal()] = new float[2 * sinkElements];
      } else {
        Arrays.fill(room, 0f);
      }
    }
  }

  private int sinkElements(WorkItem item) {
    return item.segment().sinks() * keys.stride();
  }

  private void tile(WorkItem item, int first, int queries, Scratch scratch) {
    int width = kernels.padded(queries);
    int stride = keys.stride();
    int tileSize = TileKernels.QUERIES * stride;
    float[] queryRows = scratch.floats(0, tileSize);
    float[] queryColumns = scratch.floats(1, tileSize);
    float[] dOutRows = scratch.floats(2, tileSize);
    float[] dOutColumns = scratch.floats(3, tileSize);
    float[] outRow = scratch.floats(4, dim);
    float[] dQueryColumns = scratch.floats(5, tileSize);
    float[] probabilities = scratch.floats(6, TileKernels.KEYS * TileKernels.QUERIES);
    float[] dScores = scratch.floats(7, TileKernels.KEYS * TileKernels.QUERIES);
    float[] total = scratch.floats(8, TileKernels.QUERIES);
    float[] delta = scratch.floats(9, TileKernels.QUERIES);
    float[] factors = scratch.floats(10, TileKernels.QUERIES);

    Arrays.fill(total, 0f);
    Arrays.fill(delta, 0f);
    Arrays.fill(dQueryColumns, 0f);
    for (int i = 0; i < queries; i++) {
      int token = item.token(first + i);
      int at = i * stride;
      q.read(token, item.head(), queryRows, at);
      dOut.read(token, item.head(), dOutRows, at);
      out.read(token, item.head(), outRow, 0);
      Arrays.fill(queryRows, at + dim, at + stride, 0f);
      Arrays.fill(dOutRows, at + dim, at + stride, 0f);
      delta[i] = dot(outRow, dOutRows, at);
      total[i] = (float) (logSumExp[token * q.heads() + item.head()] * LOG2_E);
    }
    QueryTile.transpose(
        queryRows, stride, queries, width, dim, (float) (scale * LOG2_E), queryColumns);
    QueryTile.transpose(dOutRows, stride, queries, width, dim, 1, dOutColumns);
    for (int at = 0; at < queries * stride; at++) {
      queryRows[at] *= scale;
    }

    float[] headKeys = keys.head(item.head() / group);
    float[] headValues = values.head(item.head() / group);
    int sinks = item.segment().sinks();
    int local = first + queries;
    for (int key = -sinks; key < local; ) {
      // Sinks are counted up to -1, local keys from 0 on.
      boolean sink = key < 0;
      int at = keys.at(sink ? item.documentStart() + sinks + key : item.token(key));
      int tileKeys =
          sink
              ? Math.min(-key, TileKernels.KEYS)
              : item.contiguous(key, Math.min(local - key, TileKernels.KEYS));
      if (sink) {
        QueryTile.start(probabilities, tileKeys);
      } else {
        QueryTile.startCausal(probabilities, tileKeys, key - first);
      }
      addProduct(headKeys, at, queryColumns, probabilities, tileKeys, width);
      kernels.probabilities(probabilities, tileKeys, width, total);
      QueryTile.start(dScores, tileKeys);
      addProduct(headValues, at, dOutColumns, dScores, tileKeys, width);
      kernels.softmaxBackward(probabilities, dScores, tileKeys, width, delta);
      kernels.product(
          headKeys,
          at,
          1,
          stride,
          dScores,
          0,
          TileKernels.QUERIES,
          dQueryColumns,
          0,
          TileKernels.QUERIES,
          dim,
          width,
          tileKeys);
      if (sink) {
        float[] both = sinkGradients[item.ordinal()];
        int sinkAt = (sinks + key) * stride;
        addTo(both, sinkAt, dScores, queryRows, tileKeys, queries);
        addTo(both, sinkElements(item) + sinkAt, probabilities, dOutRows, tileKeys, queries);
      } else {
        addTo(keyGradients.head(item.head()), at, dScores, queryRows, tileKeys, queries);
        addTo(valueGradients.head(item.head()), at, probabilities, dOutRows, tileKeys, queries);
      }
      key += tileKeys;
    }

    Arrays.fill(factors, scale);
    QueryTile.transposeBack(dQueryColumns, queries, dim, factors, queryRows);
    for (int i = 0; i < queries; i++) {
      dQ.write(item.token(first + i), item.head(), queryRows, i * dim);
    }
  }

  private float dot(float[] x, float[] y, int yAt) {
    float sum = 0;
    for (int c = 0; c < dim; c++) {
      sum += x[c] * y[yAt + c];
    }
    return sum;
  }

  /** {@code tile[key, query] += Σ_c rows[key, c] · columns[c, query]}. */
  private void addProduct(
      float[] rows, int at, float[] columns, float[] tile, int tileKeys, int width) {
    kernels.product(
        rows,
        at,
        keys.stride(),
        1,
        columns,
        0,
        TileKernels.QUERIES,
        tile,
        0,
        TileKernels.QUERIES,
        tileKeys,
        width,
        dim);
  }

  /** {@code gradient[key, c] += Σ_query tile[key, query] · rows[query, c]}. */
  private void addTo(
      float[] gradient, int at, float[] tile, float[] rows, int tileKeys, int queries) {
    int stride = keys.stride();
    kernels.product(
        tile,
        0,
        TileKernels.QUERIES,
        1,
        rows,
        0,
        stride,
        gradient,
        at,
        stride,
        tileKeys,
        stride,
        queries);
  }

  /** Adds what the segments of one head of one document found for its sinks, in their order. */
  void addSinks(Iterable<WorkItem> segmentsOfHead) {
    for (WorkItem item : segmentsOfHead) {
      int elements = sinkElements(item);
      if (elements > 0) {
        float[] both = sinkGradients[item.ordinal()];
        int at = keys.at(item.documentStart());
        add(both, 0, keyGradients.head(item.head()), at, elements);
        add(both, elements, valueGradients.head(item.head()), at, elements);
      }
    }
  }

  private static void add(float[] x, int xAt, float[] y, int yAt, int count) {
    for (int i = 0; i < count; i++) {
      y[yAt + i] += x[xAt + i];
    }
  }
}
