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
    if (count == 0) {
      return new int[0];
    }
    double[] sorted = Arrays.copyOf(scores, end);
    Arrays.sort(sorted);
    double least = sorted[end - count];
    int equal = 0;
    for (int i = end - count; i < end && Double.compare(sorted[i], least) == 0; i++) {
      equal++;
    }
    int[] kept = new int[count];
    int at = count;
    // From the latest on, so that of those equal to the least the later ones are taken.
    for (int i = end - 1; i >= 0; i--) {
      int order = Double.compare(scores[i], least);
      if (order > 0 || (order == 0 && equal > 0)) {
        equal -= order == 0 ? 1 : 0;
        at--;
        kept[at] = i;
      }
    }
    return kept;
  }
}
