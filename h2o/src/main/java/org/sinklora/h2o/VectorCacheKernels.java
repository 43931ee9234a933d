package org.sinklora.h2o;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.sinklora.compute.VectorMath;

/**
 * The products on the Vector API. Two queries at a time share what is loaded, and eight sums at a
 * time hide the latency of the additions.
 */
final class VectorCacheKernels implements CacheKernels {
  static final VectorCacheKernels INSTANCE = new VectorCacheKernels();

  private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;
  private static final int LANES = SPECIES.length();

  private VectorCacheKernels() {}

  private static FloatVector load(float[] from, int at) {
    return FloatVector.fromArray(SPECIES, from, at);
  }

  @Override
  public void scores(
      float[] q,
      int qAt,
      int qRow,
      int queries,
      float[] keys,
      int keysAt,
      int dim,
      float[] scores,
      int scoresAt,
      int scoresRow) {
    for (int slot = 0; slot < KvBlock.PANEL; slot += 4 * LANES) {
      int g = 0;
      for (; g + 2 <= queries; g += 2) {
        int at = scoresAt + g * scoresRow + slot;
        scores2(q, qAt + g * qRow, qRow, keys, keysAt + slot, dim, scores, at, scoresRow);
      }
      if (g < queries) {
        int at = scoresAt + g * scoresRow + slot;
        scores1(q, qAt + g * qRow, keys, keysAt + slot, dim, scores, at);
      }
    }
  }

  private static void scores2(
      float[] q,
      int qAt,
      int qRow,
      float[] keys,
      int keysAt,
      int dim,
      float[] scores,
      int at,
      int row) {
    FloatVector a0 = FloatVector.zero(SPECIES);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    FloatVector b0 = a0;
    FloatVector b1 = a0;
    FloatVector b2 = a0;
    FloatVector b3 = a0;
    for (int c = 0, from = keysAt; c < dim; c++, from += KvBlock.PANEL) {
      FloatVector k0 = load(keys, from);
      FloatVector k1 = load(keys, from + LANES);
      FloatVector k2 = load(keys, from + 2 * LANES);
      FloatVector k3 = load(keys, from + 3 * LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, q[qAt + c]);
      a0 = x.fma(k0, a0);
      a1 = x.fma(k1, a1);
      a2 = x.fma(k2, a2);
      a3 = x.fma(k3, a3);
      FloatVector y = FloatVector.broadcast(SPECIES, q[qAt + qRow + c]);
      b0 = y.fma(k0, b0);
      b1 = y.fma(k1, b1);
      b2 = y.fma(k2, b2);
      b3 = y.fma(k3, b3);
    }
    a0.intoArray(scores, at);
    a1.intoArray(scores, at + LANES);
    a2.intoArray(scores, at + 2 * LANES);
    a3.intoArray(scores, at + 3 * LANES);
    b0.intoArray(scores, at + row);
    b1.intoArray(scores, at + row + LANES);
    b2.intoArray(scores, at + row + 2 * LANES);
    b3.intoArray(scores, at + row + 3 * LANES);
  }

  private static void scores1(
      float[] q, int qAt, float[] keys, int keysAt, int dim, float[] scores, int at) {
    FloatVector a0 = FloatVector.zero(SPECIES);
    FloatVector a1 = a0;
    FloatVector a2 = a0;
    FloatVector a3 = a0;
    FloatVector b0 = a0;
    FloatVector b1 = a0;
    FloatVector b2 = a0;
    FloatVector b3 = a0;
    int c = 0;
    int from = keysAt;
    for (; c + 2 <= dim; c += 2, from += 2 * KvBlock.PANEL) {
      FloatVector x = FloatVector.broadcast(SPECIES, q[qAt + c]);
      a0 = x.fma(load(keys, from), a0);
      a1 = x.fma(load(keys, from + LANES), a1);
      a2 = x.fma(load(keys, from + 2 * LANES), a2);
      a3 = x.fma(load(keys, from + 3 * LANES), a3);
      FloatVector y = FloatVector.broadcast(SPECIES, q[qAt + c + 1]);
      b0 = y.fma(load(keys, from + KvBlock.PANEL), b0);
      b1 = y.fma(load(keys, from + KvBlock.PANEL + LANES), b1);
      b2 = y.fma(load(keys, from + KvBlock.PANEL + 2 * LANES), b2);
      b3 = y.fma(load(keys, from + KvBlock.PANEL + 3 * LANES), b3);
    }
    if (c < dim) {
      FloatVector x = FloatVector.broadcast(SPECIES, q[qAt + c]);
      a0 = x.fma(load(keys, from), a0);
      a1 = x.fma(load(keys, from + LANES), a1);
      a2 = x.fma(load(keys, from + 2 * LANES), a2);
      a3 = x.fma(load(keys, from + 3 * LANES), a3);
    }
    a0.add(b0).intoArray(scores, at);
    a1.add(b1).intoArray(scores, at + LANES);
    a2.add(b2).intoArray(scores, at + 2 * LANES);
    a3.add(b3).intoArray(scores, at + 3 * LANES);
  }

  @Override
  public void values(
      float[] weights,
      int weightsAt,
      int weightsRow,
      int queries,
      float[] values,
      int valuesAt,
      int width,
      int slots,
      float[] out) {
    int g = 0;
    for (; g + 2 <= queries; g += 2) {
      int w = weightsAt + g * weightsRow;
      int o = g * width;
      int c = 0;
      for (; c + 2 * LANES <= width; c += 2 * LANES) {
        values2x2(weights, w, weightsRow, values, valuesAt + c, width, slots, out, o + c);
      }
      for (; c < width; c += LANES) {
        values1(weights, w, values, valuesAt + c, width, slots, out, o + c);
        values1(weights, w + weightsRow, values, valuesAt + c, width, slots, out, o + width + c);
      }
    }
    for (int c = 0; g < queries && c < width; c += LANES) {
      int w = weightsAt + g * weightsRow;
      values1(weights, w, values, valuesAt + c, width, slots, out, g * width + c);
    }
  }

  /** Two queries, two vectors of components, two slots at a time. */
  private static void values2x2(
      float[] weights,
      int w,
      int weightsRow,
      float[] values,
      int valuesAt,
      int width,
      int slots,
      float[] out,
      int o) {
    FloatVector a0 = load(out, o);
    FloatVector a1 = load(out, o + LANES);
    FloatVector b0 = load(out, o + width);
    FloatVector b1 = load(out, o + width + LANES);
    FloatVector c0 = FloatVector.zero(SPECIES);
    FloatVector c1 = c0;
    FloatVector d0 = c0;
    FloatVector d1 = c0;
    int slot = 0;
    int from = valuesAt;
    for (; slot + 2 <= slots; slot += 2, from += 2 * width) {
      FloatVector v0 = load(values, from);
      FloatVector v1 = load(values, from + LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, weights[w + slot]);
      a0 = x.fma(v0, a0);
      a1 = x.fma(v1, a1);
      FloatVector y = FloatVector.broadcast(SPECIES, weights[w + weightsRow + slot]);
      b0 = y.fma(v0, b0);
      b1 = y.fma(v1, b1);
      FloatVector u0 = load(values, from + width);
      FloatVector u1 = load(values, from + width + LANES);
      FloatVector z = FloatVector.broadcast(SPECIES, weights[w + slot + 1]);
      c0 = z.fma(u0, c0);
      c1 = z.fma(u1, c1);
      FloatVector t = FloatVector.broadcast(SPECIES, weights[w + weightsRow + slot + 1]);
      d0 = t.fma(u0, d0);
      d1 = t.fma(u1, d1);
    }
    if (slot < slots) {
      FloatVector v0 = load(values, from);
      FloatVector v1 = load(values, from + LANES);
      FloatVector x = FloatVector.broadcast(SPECIES, weights[w + slot]);
      a0 = x.fma(v0, a0);
      a1 = x.fma(v1, a1);
      FloatVector y = FloatVector.broadcast(SPECIES, weights[w + weightsRow + slot]);
      b0 = y.fma(v0, b0);
      b1 = y.fma(v1, b1);
    }
    a0.add(c0).intoArray(out, o);
    a1.add(c1).intoArray(out, o + LANES);
    b0.add(d0).intoArray(out, o + width);
    b1.add(d1).intoArray(out, o + width + LANES);
  }

  /** One query, one vector of components, four slots at a time. */
  private static void values1(
      float[] weights,
      int w,
      float[] values,
      int valuesAt,
      int width,
      int slots,
      float[] out,
      int o) {
    FloatVector a = load(out, o);
    FloatVector b = FloatVector.zero(SPECIES);
    FloatVector c = b;
    FloatVector d = b;
    int slot = 0;
    int from = valuesAt;
    for (; slot + 4 <= slots; slot += 4, from += 4 * width) {
      a = load(values, from).fma(FloatVector.broadcast(SPECIES, weights[w + slot]), a);
      b = load(values, from + width).fma(FloatVector.broadcast(SPECIES, weights[w + slot + 1]), b);
      c =
          load(values, from + 2 * width)
              .fma(FloatVector.broadcast(SPECIES, weights[w + slot + 2]), c);
      d =
          load(values, from + 3 * width)
              .fma(FloatVector.broadcast(SPECIES, weights[w + slot + 3]), d);
    }
    for (; slot < slots; slot++, from += width) {
      a = load(values, from).fma(FloatVector.broadcast(SPECIES, weights[w + slot]), a);
    }
    a.add(b).add(c.add(d)).intoArray(out, o);
  }
}
