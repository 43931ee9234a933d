package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.RowKernels;

/** How fast a team reads memory: what decoding is bound by. */
final class ReadBandwidth {
  /** Floats that are read in one go. */
  private static final int RUN = 1 << 14;

  private static final int REPETITIONS = 30;

  private ReadBandwidth() {}

  /**
   * Bytes a second at which the threads together read {@code bytes} over and over, the best of
   * several rounds. What fits into a cache comes from there, as it does while decoding.
   */
  static double measure(int threads, long bytes) {
    int floats = Math.toIntExact(Math.max(RUN, bytes / Float.BYTES / threads / RUN * RUN));
    float[][] data = new float[threads][floats];
    for (float[] part : data) {
      Arrays.fill(part, 1f);
    }
    RowKernels kernels = RowKernels.best();
    float[] sums = new float[threads * 16];
    double best = Double.POSITIVE_INFINITY;
    try (CpuTeam team = new CpuTeam(threads)) {
      CpuTeam.Task task =
          member -> {
            for (int at = 0; at < floats; at += RUN) {
              sums[member * 16] += kernels.sum(data[member], at, RUN);
            }
          };
      for (int i = 0; i < REPETITIONS; i++) {
        long start = System.nanoTime();
        team.run(task);
        best = Math.min(best, System.nanoTime() - start);
      }
    }
    return (double) floats * threads * Float.BYTES / (best * 1e-9);
  }
}
