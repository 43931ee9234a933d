package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.atLeast;
import static org.sinklora.compute.cuda.Operands.columns;
import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.float32;
import static org.sinklora.compute.cuda.Operands.floats;
import static org.sinklora.compute.cuda.Operands.onePerColumn;
import static org.sinklora.compute.cuda.Operands.rows;
import static org.sinklora.compute.cuda.Operands.sameSize;

/** Normalisations of rows; a block of threads holds a row in its registers. */
final class CudaNorms {
  private static final int MOST_THREADS = 512;
  private static final int LONGEST_ROW = 65_536;
  private static final int BLOCKS_PER_MULTIPROCESSOR = 4;

  private final CudaDevice device;
  private final CudaColumns sums;

  CudaNorms(CudaDevice device, CudaColumns sums) {
    this.device = device;
    this.sums = sums;
  }

  /**
   * How a row of {@code c} elements is shared out.
   *
   * @param pack elements that a thread reads at a time
   * @param packs how often, a power of two: every other number would be another compilation
   */
  record Layout(int pack, int packs, int threads) {
    static Layout of(int c, int pack) {
      if (c > LONGEST_ROW) {
        throw new IllegalArgumentException(
            "Rows of %d elements can't be normalised: the longest are %d"
                .formatted(c, LONGEST_ROW));
      }
      int total = c / pack;
      int threads = Math.min(MOST_THREADS, (total + 31) / 32 * 32);
      int packs = 1;
      while (packs * threads < total) {
        packs *= 2;
      }
      return new Layout(pack, packs, threads);
    }
  }

  private CudaKernel kernel(String function, ElementType rows, ElementType weight, Layout layout) {
    return device.kernel(
        CudaNorms.class,
        "norms.cu",
        function,
        define("ELEMENT", rows),
        define("WEIGHT", weight),
        define("VEC", layout.pack()),
        define("PACKS", layout.packs()));
  }

  private int blocks(CudaTensor x) {
    return Math.min(rows(x), BLOCKS_PER_MULTIPROCESSOR * device.info().multiprocessors());
  }

  void rmsNorm(
      CudaTensor x, CudaTensor weight, float epsilon, CudaTensor y, CudaTensor inverseRms) {
    int c = columns(x);
    sameSize(x, y);
    onePerColumn(weight, c);
    float32(inverseRms);
    atLeast(inverseRms, rows(x));
    Layout layout = Layout.of(c, Operands.pack(c, x, weight, y));
    kernel("rmsNorm", floats(x, y), floats(weight), layout)
        .launch(rows(x), 1, 1, layout.threads(), 0, x, weight, epsilon, y, inverseRms, c);
  }

  void rmsNormBackward(
      CudaTensor dY,
      CudaTensor x,
      CudaTensor weight,
      CudaTensor inverseRms,
      CudaTensor dX,
      CudaTensor dWeight) {
    int c = columns(x);
    sameSize(x, dY);
    sameSize(x, dX);
    onePerColumn(weight, c);
    onePerColumn(dWeight, c);
    float32(inverseRms, dWeight);
    atLeast(inverseRms, rows(x));
    int blocks = blocks(x);
    CudaTensor partial = dWeight == null ? null : partial(blocks, c);
    Layout layout = Layout.of(c, Operands.pack(c, dY, x, weight, dX));
    kernel("rmsNormBackward", floats(dY, x, dX), floats(weight), layout)
        .launch(
            blocks,
            1,
            1,
            layout.threads(),
            0,
            dY,
            x,
            weight,
            inverseRms,
            dX,
            partial,
            (long) rows(x),
            c);
    if (dWeight != null) {
      sums.addParts(partial, c, blocks, dWeight);
    }
  }

  private CudaTensor partial(int blocks, long sumsPerBlock) {
    return device.scratch("norms", ElementType.FLOAT32, blocks * sumsPerBlock);
  }

  void layerNorm(
      CudaTensor x,
      CudaTensor weight,
      CudaTensor bias,
      float epsilon,
      CudaTensor y,
      CudaTensor mean,
      CudaTensor inverseDeviation) {
    int c = columns(x);
    sameSize(x, y);
    onePerColumn(weight, c);
    onePerColumn(bias, c);
    float32(mean, inverseDeviation);
    atLeast(mean, rows(x));
    atLeast(inverseDeviation, rows(x));
    Layout layout = Layout.of(c, Operands.pack(c, x, weight, bias, y));
    kernel("layerNorm", floats(x, y), floats(weight, bias), layout)
        .launch(
            rows(x),
            1,
            1,
            layout.threads(),
            0,
            x,
            weight,
            bias,
            epsilon,
            y,
            mean,
            inverseDeviation,
            c);
  }

  void layerNormBackward(
      CudaTensor dY,
      CudaTensor x,
      CudaTensor weight,
      CudaTensor mean,
      CudaTensor inverseDeviation,
      CudaTensor dX,
      CudaTensor dWeight,
      CudaTensor dBias) {
    int c = columns(x);
    sameSize(x, dY);
    sameSize(x, dX);
    onePerColumn(weight, c);
    onePerColumn(dWeight, c);
    onePerColumn(dBias, c);
    float32(mean, inverseDeviation, dWeight, dBias);
    atLeast(mean, rows(x));
    atLeast(inverseDeviation, rows(x));
    int blocks = blocks(x);
    boolean frozen = dWeight == null && dBias == null;
    CudaTensor partial = frozen ? null : partial(blocks, 2L * c);
    Layout layout = Layout.of(c, Operands.pack(c, dY, x, weight, dX));
    kernel("layerNormBackward", floats(dY, x, dX), floats(weight), layout)
        .launch(
            blocks,
            1,
            1,
            layout.threads(),
            0,
            dY,
            x,
            weight,
            mean,
            inverseDeviation,
            dX,
            partial,
            (long) rows(x),
            c);
    if (dWeight != null) {
      sums.addParts(partial, 2L * c, blocks, dWeight);
    }
    if (dBias != null) {
      sums.addParts(partial.view(c, partial.size() - c), 2L * c, blocks, dBias);
    }
  }
}
