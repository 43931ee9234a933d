package org.sinklora.h2o;

/** How far a float32 result may be from the exact one, whatever the input and the order of work. */
final class Rounding {
  /** Largest relative error of one rounded operation. */
  private static final double UNIT = 0x1p-24;

  private Rounding() {}

  /**
   * Bound of a sum of products in any order, fused or not: γ(n + 1) · Σ|terms| with γ(n) = n·u / (1
   * - n·u) (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1).
   *
   * @param terms products and start values that are added
   * @param magnitude the sum of their absolute values
   */
  static double ofSum(int terms, double magnitude) {
    double n = (terms + 1) * UNIT;
    return n / (1 - n) * magnitude + Float.MIN_NORMAL;
  }
}
