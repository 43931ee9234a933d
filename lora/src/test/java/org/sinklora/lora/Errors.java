package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

/** How far values are from reference values. */
final class Errors {
  private Errors() {}

  /** The largest difference, relative to the largest reference value. */
  static double relative(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    double difference = 0;
    double largest = 0;
    for (int i = 0; i < expected.length; i++) {
      assertTrue(Float.isFinite(actual[i]), "element " + i + " is " + actual[i]);
      difference = Math.max(difference, Math.abs((double) expected[i] - actual[i]));
      largest = Math.max(largest, Math.abs(expected[i]));
    }
    return largest == 0 ? difference : difference / largest;
  }

  static void assertClose(float[] expected, float[] actual, double bound, String what) {
    double error = relative(expected, actual);
    assertTrue(error <= bound, "%s: relative error %.3g above %.1g".formatted(what, error, bound));
  }

  /** Norm of the difference over norm of the reference. */
  static double relativeNorm(float[] expected, float[] actual) {
    assertEquals(expected.length, actual.length);
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += ((double) expected[i] - actual[i]) * ((double) expected[i] - actual[i]);
      norm += (double) expected[i] * expected[i];
    }
    return norm == 0 ? Math.sqrt(difference) : Math.sqrt(difference / norm);
  }
}
