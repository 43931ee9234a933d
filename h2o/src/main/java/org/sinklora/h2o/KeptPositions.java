package org.sinklora.h2o;

import java.util.Arrays;
import java.util.stream.IntStream;

/** Sets of positions, as ascending arrays. */
final class KeptPositions {
  private KeptPositions() {}

  static int[] range(int from, int to) {
    return IntStream.range(from, to).toArray();
  }

  static int[] join(int[] older, int[] later) {
    int[] all = Arrays.copyOf(older, older.length + later.length);
    System.arraycopy(later, 0, all, older.length, later.length);
    return all;
  }

  /**
   * The {@code count} positions of [0, end) with the highest scores; of equal ones the later.
   *
   * @param scores not negative; NaN counts as the highest
   */
  static int[] heaviest(double[] scores, int end, int count) {
    if (count >= end) {
      return range(0, end);
    }
    Integer[] order = new Integer[end];
    for (int i = 0; i < end; i++) {
      order[i] = i;
    }
    Arrays.sort(
        order,
        (a, b) -> {
          int byScore = Double.compare(scores[b], scores[a]);
          return byScore != 0 ? byScore : b - a;
        });
    int[] kept = new int[count];
    for (int i = 0; i < count; i++) {
      kept[i] = order[i];
    }
    Arrays.sort(kept);
    return kept;
  }
}
