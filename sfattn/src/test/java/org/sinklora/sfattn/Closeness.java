package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.fail;

/**
 * Compares tensors relative to their largest element, or to a tenth where all are smaller: inputs
 * have unit size, so a result near zero is a difference of such terms.
 */
final class Closeness {
  private Closeness() {}

  static void assertClose(String name, double[] expected, float[] actual, double tolerance) {
    assertClose(name, expected, actual, tolerance, 0.1);
  }

  /** The same relative to {@code least} where all elements are smaller. */
  static void assertClose(
      String name, double[] expected, float[] actual, double tolerance, double least) {
    assertEquals(expected.length, actual.length, name);
    double largest = least;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      if (!(Math.abs(expected[i] - actual[i]) <= tolerance * largest)) {
        fail(
            "%s[%d] is %s, expected %s; the largest is %s"
                .formatted(name, i, actual[i], expected[i], largest));
      }
    }
  }

  static void assertClose(String name, float[] expected, float[] actual, double tolerance) {
    double[] doubles = new double[expected.length];
    for (int i = 0; i < doubles.length; i++) {
      doubles[i] = expected[i];
    }
    assertClose(name, doubles, actual, tolerance);
  }
}
