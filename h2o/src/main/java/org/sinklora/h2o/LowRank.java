package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Scratch;
import org.sinklora.lora.LowRankUpdate;
import org.sinklora.sfattn.TileKernels;

/** An adapter's low-rank update of a linear, unmerged: {@code y += scale · B A x}. */
final class LowRank {
  private final TileKernels kernels = TileKernels.best();
  private final int in;
  private final int rank;
  private final int paddedRank;
  private final float[] a;
  private final Matrix b;

  LowRank(LowRankUpdate update) {
    CpuTensor lowA = (CpuTensor) update.a();
    this.rank = Math.toIntExact(lowA.dim(0));
    this.in = Math.toIntExact(lowA.dim(1));
    this.paddedRank = kernels.padded(rank);
    // Column by column, its rank rows side by side: one panel, just wide enough.
    this.a = new float[Math.multiplyExact(in, paddedRank)];
    float[] rows = lowA.toArray();
    for (int r = 0; r < rank; r++) {
      for (int c = 0; c < in; c++) {
        a[c * paddedRank + r] = update.scale() * rows[r * in + c];
      }
    }
    this.b = new FloatMatrix(new WeightRows(update.b(), null));
  }

  /** Adds to the outputs of some panels; the arguments are those of {@link Matrix#multiply}. */
  void add(
      float[] x,
      int xAt,
      int xRow,
      int n,
      int from,
      int to,
      float[] y,
      int yAt,
      int yRow,
      Scratch scratch) {
    // Every worker computes A x by itself: it is a few rows, less than a barrier costs.
    float[] u = scratch.floats(ScratchSlots.LOW_RANK, n * paddedRank);
    Arrays.fill(u, 0, n * paddedRank, 0f);
    kernels.product(x, xAt, xRow, 1, a, 0, paddedRank, u, 0, paddedRank, n, paddedRank, in);
    b.multiply(u, 0, paddedRank, n, from, to, y, yAt, yRow, scratch);
  }

  long bytes() {
    return (long) a.length * Float.BYTES + b.bytes();
  }
}
