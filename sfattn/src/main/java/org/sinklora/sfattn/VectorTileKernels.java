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
 * <p>C2 boxes vectors, and runs ten times slower, where a method with what it inlines becomes too
 * large. So every loop is a method of its own, with at most one exp2 in its body.
 */
final class VectorTileKernels implements TileKernels {
  private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;
  private static final int LANES = SPECIES.length();

  // 4 × 4 sums, 4 vectors of B and one of A take 21 registers. Only AVX-512 has them for sure.
  private static final boolean MANY_REGISTERS = LANES >= 16;

  /** A loop over the rows of one vector of columns. */
  @FunctionalInterface
  private interface ColumnPass {
    void run(float[] tile, int rows, int column, float[] x, float[] y);
  }

  // Fields of the object, not constants, and called from one place: C2 then compiles every pass by
  // itself. Inlined together they exceed its node budget, and the rest of the vectors is boxed.
  private final ColumnPass raiseMaximum = VectorTileKernels::raiseMaximum;
  private final ColumnPass shrinkSum = VectorTileKernels::shrinkSum;
  private final ColumnPass weigh = VectorTileKernels::weigh;
  private final ColumnPass scale = VectorTileKernels::scale;
  private final ColumnPass probabilities = VectorTileKernels::probabilities;
  private final ColumnPass softmaxBackward = VectorTileKernels::softmaxBackward;

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
      int depth) {
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
              depth);
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
              depth);
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
            depth);
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
            depth);
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
            depth);
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
            depth);
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
      int depth) {
    FloatVector s00 = load(c, cAt);
    FloatVector s01 = load(c, cAt + LANES);
    FloatVector s02 = load(c, cAt + 2 * LANES);
    FloatVector s03 = load(c, cAt + 3 * LANES);
    FloatVector s10 = load(c, cAt + cRow);
    FloatVector s11 = load(c, cAt + cRow + LANES);
    FloatVector s12 = load(c, cAt + cRow + 2 * LANES);
    FloatVector s13 = load(c, cAt + cRow + 3 * LANES);
    FloatVector s20 = load(c, cAt + 2 * cRow);
    FloatVector s21 = load(c, cAt + 2 * cRow + LANES);
    FloatVector s22 = load(c, cAt + 2 * cRow + 2 * LANES);
    FloatVector s23 = load(c, cAt + 2 * cRow + 3 * LANES);
    FloatVector s30 = load(c, cAt + 3 * cRow);
    FloatVector s31 = load(c, cAt + 3 * cRow + LANES);
    FloatVector s32 = load(c, cAt + 3 * cRow + 2 * LANES);
    FloatVector s33 = load(c, cAt + 3 * cRow + 3 * LANES);
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
    s00.intoArray(c, cAt);
    s01.intoArray(c, cAt + LANES);
    s02.intoArray(c, cAt + 2 * LANES);
    s03.intoArray(c, cAt + 3 * LANES);
    s10.intoArray(c, cAt + cRow);
    s11.intoArray(c, cAt + cRow + LANES);
    s12.intoArray(c, cAt + cRow + 2 * LANES);
    s13.intoArray(c, cAt + cRow + 3 * LANES);
    s20.intoArray(c, cAt + 2 * cRow);
    s21.intoArray(c, cAt + 2 * cRow + LANES);
    s22.intoArray(c, cAt + 2 * cRow + 2 * LANES);
    s23.intoArray(c, cAt + 2 * cRow + 3 * LANES);
    s30.intoArray(c, cAt + 3 * cRow);
    s31.intoArray(c, cAt + 3 * cRow + LANES);
    s32.intoArray(c, cAt + 3 * cRow + 2 * LANES);
    s33.intoArray(c, cAt + 3 * cRow + 3 * LANES);
  }

  private static void block1x4(
      float[] a, int aAt, int aDepth, float[] b, int bAt, int bRow, float[] c, int cAt, int depth) {
    FloatVector s00 = load(c, cAt);
    FloatVector s01 = load(c, cAt + LANES);
    FloatVector s02 = load(c, cAt + 2 * LANES);
    FloatVector s03 = load(c, cAt + 3 * LANES);
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
    s00.intoArray(c, cAt);
    s01.intoArray(c, cAt + LANES);
    s02.intoArray(c, cAt + 2 * LANES);
    s03.intoArray(c, cAt + 3 * LANES);
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
      int depth) {
    FloatVector s00 = load(c, cAt);
    FloatVector s01 = load(c, cAt + LANES);
    FloatVector s10 = load(c, cAt + cRow);
    FloatVector s11 = load(c, cAt + cRow + LANES);
    FloatVector s20 = load(c, cAt + 2 * cRow);
    FloatVector s21 = load(c, cAt + 2 * cRow + LANES);
    FloatVector s30 = load(c, cAt + 3 * cRow);
    FloatVector s31 = load(c, cAt + 3 * cRow + LANES);
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
    s00.intoArray(c, cAt);
    s01.intoArray(c, cAt + LANES);
    s10.intoArray(c, cAt + cRow);
    s11.intoArray(c, cAt + cRow + LANES);
    s20.intoArray(c, cAt + 2 * cRow);
    s21.intoArray(c, cAt + 2 * cRow + LANES);
    s30.intoArray(c, cAt + 3 * cRow);
    s31.intoArray(c, cAt + 3 * cRow + LANES);
  }

  private static void block1x2(
      float[] a, int aAt, int aDepth, float[] b, int bAt, int bRow, float[] c, int cAt, int depth) {
    FloatVector s00 = load(c, cAt);
    FloatVector s01 = load(c, cAt + LANES);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector b1 = load(b, from + LANES);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
      s01 = a0.fma(b1, s01);
    }
    s00.intoArray(c, cAt);
    s01.intoArray(c, cAt + LANES);
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
      int depth) {
    FloatVector s00 = load(c, cAt);
    FloatVector s10 = load(c, cAt + cRow);
    FloatVector s20 = load(c, cAt + 2 * cRow);
    FloatVector s30 = load(c, cAt + 3 * cRow);
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
    s00.intoArray(c, cAt);
    s10.intoArray(c, cAt + cRow);
    s20.intoArray(c, cAt + 2 * cRow);
    s30.intoArray(c, cAt + 3 * cRow);
  }

  private static void block1x1(
      float[] a, int aAt, int aDepth, float[] b, int bAt, int bRow, float[] c, int cAt, int depth) {
    FloatVector s00 = load(c, cAt);
    for (int d = 0, at = aAt, from = bAt; d < depth; d++, at += aDepth, from += bRow) {
      FloatVector b0 = load(b, from);
      FloatVector a0 = FloatVector.broadcast(SPECIES, a[at]);
      s00 = a0.fma(b0, s00);
    }
    s00.intoArray(c, cAt);
  }

  private static FloatVector load(float[] from, int at) {
    return FloatVector.fromArray(SPECIES, from, at);
  }

  @Override
  public boolean onlineSoftmax(
      float[] scores, int rows, int width, float[] maximum, float[] sum, float[] rescale) {
    forEachColumn(raiseMaximum, scores, rows, width, maximum, rescale);
    boolean shrunk = false;
    for (int i = 0; i < width; i++) {
      shrunk |= rescale[i] < 0;
    }
    forEachColumn(shrinkSum, scores, rows, width, sum, rescale);
    forEachColumn(weigh, scores, rows, width, maximum, sum);
    return shrunk;
  }

  @Override
  public void scaleColumns(float[] tile, int rows, int width, float[] factors) {
    forEachColumn(scale, tile, rows, width, factors, factors);
  }

  @Override
  public void probabilities(float[] scores, int rows, int width, float[] logSumExp) {
    forEachColumn(probabilities, scores, rows, width, logSumExp, logSumExp);
  }

  @Override
  public void softmaxBackward(
      float[] probabilities, float[] gradient, int rows, int width, float[] delta) {
    forEachColumn(softmaxBackward, gradient, rows, width, delta, probabilities);
  }

  private static void forEachColumn(
      ColumnPass pass, float[] tile, int rows, int width, float[] x, float[] y) {
    for (int column = 0; column < width; column += LANES) {
      pass.run(tile, rows, column, x, y);
    }
  }

  /** Leaves by how much the maxima rose, negated, in {@code rise}. */
  private static void raiseMaximum(
      float[] scores, int rows, int column, float[] maximum, float[] rise) {
    FloatVector before = load(maximum, column);
    // Two chains of comparisons: one alone would wait for its own latency.
    FloatVector even = before;
    FloatVector odd = before;
    int row = 0;
    int at = column;
    for (; row + 2 <= rows; row += 2, at += 2 * QUERIES) {
      even = max(even, load(scores, at));
      odd = max(odd, load(scores, at + QUERIES));
    }
    if (row < rows) {
      even = max(even, load(scores, at));
    }
    FloatVector now = max(even, odd);
    now.intoArray(maximum, column);
    before.sub(now).intoArray(rise, column);
  }

  /** Two instructions; {@link FloatVector#max} orders signed zeros and NaN and takes more. */
  private static FloatVector max(FloatVector a, FloatVector b) {
    VectorMask<Float> greater = b.compare(VectorOperators.GT, a);
    return a.blend(b, greater);
  }

  private static void shrinkSum(
      float[] scores, int rows, int column, float[] sum, float[] rescale) {
    FloatVector factor = VectorMath.exp2(load(rescale, column));
    factor.intoArray(rescale, column);
    load(sum, column).mul(factor).intoArray(sum, column);
  }

  private static void weigh(float[] scores, int rows, int column, float[] maximum, float[] sum) {
    FloatVector max = load(maximum, column);
    FloatVector total = load(sum, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      FloatVector weight = VectorMath.exp2(load(scores, at).sub(max));
      weight.intoArray(scores, at);
      total = total.add(weight);
    }
    total.intoArray(sum, column);
  }

  private static void scale(float[] tile, int rows, int column, float[] factors, float[] unused) {
    FloatVector factor = load(factors, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      load(tile, at).mul(factor).intoArray(tile, at);
    }
  }

  private static void probabilities(
      float[] scores, int rows, int column, float[] logSumExp, float[] unused) {
    FloatVector total = load(logSumExp, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      VectorMath.exp2(load(scores, at).sub(total)).intoArray(scores, at);
    }
  }

  private static void softmaxBackward(
      float[] gradient, int rows, int column, float[] delta, float[] probabilities) {
    FloatVector mean = load(delta, column);
    for (int row = 0, at = column; row < rows; row++, at += QUERIES) {
      load(gradient, at).sub(mean).mul(load(probabilities, at)).intoArray(gradient, at);
    }
  }
}
