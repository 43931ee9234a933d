package org.sinklora.h2o;

/** Symmetric 8-bit quantisation: {@code x ≈ scale · q}, q from -127 to 127. */
final class Int8 {
  private Int8() {}

  /** The scale at which the largest of {@code n} values is 127; NaN if one of them is. */
  static float scale(float[] x, int at, int n) {
    float largest = 0;
    for (int i = at; i < at + n; i++) {
      largest = Math.max(largest, Math.abs(x[i]));
    }
    return largest / 127;
  }

  static byte quantize(float x, float scale) {
    return scale == 0 ? 0 : (byte) Math.round(x / scale);
  }
}
