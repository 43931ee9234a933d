package org.sinklora.sfattn;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.sinklora.compute.VectorMath;

/**
 * The kernels in the Vector API, for vectors of any width. To be loaded only where {@link
 * org.sinklora.compute.VectorUnit#isPresent()}.
 *
 * <p>Every loop is a method of its own with at most one exp2 in its body; C2 boxes the vectors of
 * larger ones. For the same reason sums start from zero and what was there is added at the end: a
 * choice between two vectors in front of a loop is boxed as well.
 */
final class VectorTileKernels implements TileKernels {
  private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;
  private static final int LANES = SPECIES.length();

  // 4 × 4 sums, 4 vectors of B and one of A take 21 registers. Only AVX-512 has them for sure.
  private static final boolean MANY_REGISTERS = LANES >= 16;

  @Override
  public int lanes() {
    return LANES;
  }

  @Override
  public void product(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int rows,
      int width,
      int depth,
      boolean accumulate) {
    int column = 0;
    if (MANY_REGISTERS) {
      for (; column + 4 * LANES <= width; column += 4 * LANES) {
        int row = 0;
        for (; row + 4 <= rows; row += 4) {
          block4x4(
              a,
              aAt + row * aRow,
              aRow,
              aDepth,
              b,
              bAt + column,
              bRow,
              c,
              cAt + row * cRow + column,
              cRow,
              depth,
              accumulate);
        }
        for (; row < rows; row++) {
          block1x4(
              a,
              aAt + row * aRow,
              aDepth,
              b,
              bAt + column,
              bRow,
              c,
              cAt + row * cRow + column,
              depth,
              accumulate);
        }
      }
    }
    for (; column + 2 * LANES <= width; column += 2 * LANES) {
      int row = 0;
      for (; row + 4 <= rows; row += 4) {
        block4x2(
            a,
            aAt + row * aRow,
            aRow,
            aDepth,
            b,
            bAt + column,
            bRow,
            c,
            cAt + row * cRow + column,
            cRow,
            depth,
            accumulate);
      }
      for (; row < rows; row++) {
        block1x2(
            a,
            aAt + row * aRow,
            aDepth,
            b,
            bAt + column,
            bRow,
            c,
            cAt + row * cRow + column,
            depth,
            accumulate);
      }
    }
    for (; column < width; column += LANES) {
      int row = 0;
      for (; row + 4 <= rows; row += 4) {
        block4x1(
            a,
            aAt + row * aRow,
            aRow,
            aDepth,
            b,
            bAt + column,
            bRow,
            c,
            cAt + row * cRow + column,
            cRow,
            depth,
            accumulate);
      }
      for (; row < rows; row++) {
        block1x1(
            a,
            aAt + row * aRow,
            aDepth,
            b,
            bAt + column,
            bRow,
            c,
            cAt + row * cRow + column,
            depth,
            accumulate);
      }
    }
  }

  private static void block4x4(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    FloatVector s01 = FloatVector.zero(SPECIES);
    FloatVector s02 = FloatVector.zero(SPECIES);
    FloatVector s03 = FloatVector.zero(SPECIES);
    FloatVector s10 = FloatVector.zero(SPECIES);
    FloatVector s11 = FloatVector.zero(SPECIES);
    FloatVector s12 = FloatVector.zero(SPECIES);
    FloatVector s13 = FloatVector.zero(SPECIES);
    FloatVector s20 = FloatVector.zero(SPECIES);
    FloatVector s21 = FloatVector.zero(SPECIES);
    FloatVector s22 = FloatVector.zero(SPECIES);
    FloatVector s23 = FloatVector.zero(SPECIES);
    FloatVector s30 = FloatVector.zero(SPECIES);
    FloatVector s31 = FloatVector.zero(SPECIES);
    FloatVector s32 = FloatVector.zero(SPECIES);
    FloatVector s33 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector b1 = load(b, from + LANES);
      FloatVector b2 = load(b, from + 2 * LANES);
      FloatVector b3 = load(b, from + 3 * LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      s01 = a0.fma(b1, s01);
      s02 = a0.fma(b2, s02);
      s03 = a0.fma(b3, s03);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[at + aRow]);
      s10 = a1.fma(b0, s10);
      s11 = a1.fma(b1, s11);
      s12 = a1.fma(b2, s12);
      s13 = a1.fma(b3, s13);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[at + 2 * aRow]);
      s20 = a2.fma(b0, s20);
      s21 = a2.fma(b1, s21);
      s22 = a2.fma(b2, s22);
      s23 = a2.fma(b3, s23);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[at + 3 * aRow]);
      s30 = a3.fma(b0, s30);
      s31 = a3.fma(b1, s31);
      s32 = a3.fma(b2, s32);
      s33 = a3.fma(b3, s33);
    }
    store(s00, c, cAt, accumulate);
    store(s01, c, cAt + LANES, accumulate);
    store(s02, c, cAt + 2 * LANES, accumulate);
    store(s03, c, cAt + 3 * LANES, accumulate);
    store(s10, c, cAt + cRow, accumulate);
    store(s11, c, cAt + cRow + LANES, accumulate);
    store(s12, c, cAt + cRow + 2 * LANES, accumulate);
    store(s13, c, cAt + cRow + 3 * LANES, accumulate);
    store(s20, c, cAt + 2 * cRow, accumulate);
    store(s21, c, cAt + 2 * cRow + LANES, accumulate);
    store(s22, c, cAt + 2 * cRow + 2 * LANES, accumulate);
    store(s23, c, cAt + 2 * cRow + 3 * LANES, accumulate);
    store(s30, c, cAt + 3 * cRow, accumulate);
    store(s31, c, cAt + 3 * cRow + LANES, accumulate);
    store(s32, c, cAt + 3 * cRow + 2 * LANES, accumulate);
    store(s33, c, cAt + 3 * cRow + 3 * LANES, accumulate);
  }

  private static void block1x4(
      float[] a,
      int aAt,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    FloatVector s01 = FloatVector.zero(SPECIES);
    FloatVector s02 = FloatVector.zero(SPECIES);
    FloatVector s03 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector b1 = load(b, from + LANES);
      FloatVector b2 = load(b, from + 2 * LANES);
      FloatVector b3 = load(b, from + 3 * LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      s01 = a0.fma(b1, s01);
      s02 = a0.fma(b2, s02);
      s03 = a0.fma(b3, s03);
    }
    store(s00, c, cAt, accumulate);
    store(s01, c, cAt + LANES, accumulate);
    store(s02, c, cAt + 2 * LANES, accumulate);
    store(s03, c, cAt + 3 * LANES, accumulate);
  }

  private static void block4x2(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    FloatVector s01 = FloatVector.zero(SPECIES);
    FloatVector s10 = FloatVector.zero(SPECIES);
    FloatVector s11 = FloatVector.zero(SPECIES);
    FloatVector s20 = FloatVector.zero(SPECIES);
    FloatVector s21 = FloatVector.zero(SPECIES);
    FloatVector s30 = FloatVector.zero(SPECIES);
    FloatVector s31 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector b1 = load(b, from + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      s01 = a0.fma(b1, s01);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[at + aRow]);
      s10 = a1.fma(b0, s10);
      s11 = a1.fma(b1, s11);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[at + 2 * aRow]);
      s20 = a2.fma(b0, s20);
      s21 = a2.fma(b1, s21);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[at + 3 * aRow]);
      s30 = a3.fma(b0, s30);
      s31 = a3.fma(b1, s31);
    }
    store(s00, c, cAt, accumulate);
    store(s01, c, cAt + LANES, accumulate);
    store(s10, c, cAt + cRow, accumulate);
    store(s11, c, cAt + cRow + LANES, accumulate);
    store(s20, c, cAt + 2 * cRow, accumulate);
    store(s21, c, cAt + 2 * cRow + LANES, accumulate);
    store(s30, c, cAt + 3 * cRow, accumulate);
    store(s31, c, cAt + 3 * cRow + LANES, accumulate);
  }

  private static void block1x2(
      float[] a,
      int aAt,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    FloatVector s01 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector b1 = load(b, from + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      s01 = a0.fma(b1, s01);
    }
    store(s00, c, cAt, accumulate);
    store(s01, c, cAt + LANES, accumulate);
  }

  private static void block4x1(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    FloatVector s10 = FloatVector.zero(SPECIES);
    FloatVector s20 = FloatVector.zero(SPECIES);
    FloatVector s30 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      FloatVector a1 = FloatVector.broadcast(SPECIES, a[at + aRow]);
      s10 = a1.fma(b0, s10);
      FloatVector a2 = FloatVector.broadcast(SPECIES, a[at + 2 * aRow]);
      s20 = a2.fma(b0, s20);
      FloatVector a3 = FloatVector.broadcast(SPECIES, a[at + 3 * aRow]);
      s30 = a3.fma(b0, s30);
    }
    store(s00, c, cAt, accumulate);
    store(s10, c, cAt + cRow, accumulate);
    store(s20, c, cAt + 2 * cRow, accumulate);
    store(s30, c, cAt + 3 * cRow, accumulate);
  }

  private static void block1x1(
      float[] a,
      int aAt,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int depth,
      boolean accumulate) {
    FloatVector s00 = FloatVector.zero(SPECIES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
    }
    store(s00, c, cAt, accumulate);
  }

  private static FloatVector load(float[] from, int at) {
    return FloatVector.fromArray(SPECIES, from, at);
  }

  private static void store(FloatVector sum, float[] c, int at, boolean accumulate) {
    if (accumulate) {
      sum.add(load(c, at)).intoArray(c, at);
    } else {
      sum.intoArray(c, at);
    }
  }

  @Override
  public boolean onlineSoftmax(
      float[] scores, int rows, int width, float[] maximum, float[] sum, float[] rescale) {
    boolean shrunk = false;
    for (int i = 0; i < width; i += LANES) {
      shrunk |= raiseMaximum(scores, rows, i, maximum, rescale);
    }
    shrinkSums(width, sum, rescale);
    for (int i = 0; i < width; i += LANES) {
      weigh(scores, rows, i, maximum, sum);
    }
    return shrunk;
  }

  /** Leaves by how much the maxima rose, negated, in {@code rise}. */
  private static boolean raiseMaximum(
      float[] scores, int rows, int column, float[] maximum, float[] rise) {
    FloatVector before = load(maximum, column);
    // Four chains of comparisons: one alone would wait for its own latency.
    FloatVector max0 = before;
    FloatVector max1 = before;
    FloatVector max2 = before;
    FloatVector max3 = before;
    int row = 0;
    int at = column;
    for (; row + 4 <= rows; row += 4, at += 4 * QUERIES) {
      max0 = max(max0, load(scores, at));
      max1 = max(max1, load(scores, at + QUERIES));
      max2 = max(max2, load(scores, at + 2 * QUERIES));
      max3 = max(max3, load(scores, at + 3 * QUERIES));
    }
    for (; row < rows; row++, at += QUERIES) {
      max0 = max(max0, load(scores, at));
    }
    FloatVector now = max(max(max0, max1), max(max2, max3));
    now.intoArray(maximum, column);
    before.sub(now).intoArray(rise, column);
    return before.compare(VectorOperators.LT, now).anyTrue();
  }

  /** Two instructions; {@link FloatVector#max} orders signed zeros and NaN and takes more. */
  private static FloatVector max(FloatVector a, FloatVector b) {
    VectorMask<Float> greater = b.compare(VectorOperators.GT, a);
    return a.blend(b, greater);
  }

  private static void shrinkSums(int width, float[] sum, float[] rescale) {
    for (int i = 0; i < width; i += LANES) {
      FloatVector factor = VectorMath.exp2(load(rescale, i));
      factor.intoArray(rescale, i);
      load(sum, i).mul(factor).intoArray(sum, i);
    }
  }

  private static void weigh(float[] scores, int rows, int column, float[] maximum, float[] sum) {
    FloatVector max = load(maximum, column);
    FloatVector added = FloatVector.zero(SPECIES);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      FloatVector weight = VectorMath.exp2(load(scores, at).sub(max));
      weight.intoArray(scores, at);
      added = added.add(weight);
    }
    load(sum, column).add(added).intoArray(sum, column);
  }

  @Override
  public void scaleColumns(float[] tile, int rows, int width, float[] factors) {
    for (int i = 0; i < width; i += LANES) {
      scaleColumn(tile, rows, i, factors);
    }
  }

  private static void scaleColumn(float[] tile, int rows, int column, float[] factors) {
    FloatVector factor = load(factors, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      load(tile, at).mul(factor).intoArray(tile, at);
    }
  }

  @Override
  public void probabilities(float[] scores, int rows, int width, float[] logSumExp) {
    for (int i = 0; i < width; i += LANES) {
      probabilitiesOfColumn(scores, rows, i, logSumExp);
    }
  }

  private static void probabilitiesOfColumn(
      float[] scores, int rows, int column, float[] logSumExp) {
    FloatVector total = load(logSumExp, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      VectorMath.exp2(load(scores, at).sub(total)).intoArray(scores, at);
    }
  }

  @Override
  public void softmaxBackward(
      float[] probabilities, float[] gradient, int rows, int width, float[] delta) {
    for (int i = 0; i < width; i += LANES) {
      softmaxBackwardOfColumn(probabilities, gradient, rows, i, delta);
    }
  }

  private static void softmaxBackwardOfColumn(
      float[] probabilities, float[] gradient, int rows, int column, float[] delta) {
    FloatVector mean = load(delta, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      load(gradient, at).sub(mean).mul(load(probabilities, at)).intoArray(gradient, at);
    }
  }
}
