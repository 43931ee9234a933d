package org.sinklora.compute;

/** One float at a time: the twin the vector kernels are tested against. */
final class PlainRowKernels implements RowKernels {
  private static final float SQRT_2_OVER_PI = 0.7978845608028654f;
  private static final float TANH_CUBIC = 0.044715f;

  @Override
  public float dot(float[] x, int xo, float[] y, int yo, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += (double) x[xo + i] * y[yo + i];
    }
    return (float) sum;
  }

  @Override
  public float sum(float[] x, int xo, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++) {
      sum += x[xo + i];
    }
    return (float) sum;
  }

  @Override
  public float max(float[] x, int xo, int n) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < n; i++) {
      max = Math.max(max, x[xo + i]);
    }
    return max;
  }

  @Override
  public float expAndSum(float[] x, int xo, int n, float max) {
    double sum = 0;
    for (int i = xo; i < xo + n; i++) {
      x[i] = (float) Math.exp(x[i] - max);
      sum += x[i];
    }
    return (float) sum;
  }

  @Override
  public void swiGlu(float[] gate, float[] up, float[] y, int n) {
    for (int i = 0; i < n; i++) {
      y[i] = gate[i] * sigmoid(gate[i]) * up[i];
    }
  }

  @Override
  public void swiGluBackward(float[] dY, float[] gate, float[] up, int n) {
    swiGluBackward(dY, gate, up, 0, n);
  }

  static void swiGluBackward(float[] dY, float[] gate, float[] up, int from, int n) {
    for (int i = from; i < n; i++) {
      float g = gate[i];
      float s = sigmoid(g);
      gate[i] = dY[i] * up[i] * s * (1 + g * (1 - s));
      up[i] = dY[i] * g * s;
    }
  }

  @Override
  public void gelu(float[] x, int n, GeluKind kind) {
    gelu(x, 0, n, kind);
  }

  static void gelu(float[] x, int from, int n, GeluKind kind) {
    for (int i = from; i < n; i++) {
      x[i] = x[i] * gate(x[i], kind);
    }
  }

  @Override
  public void geluBackward(float[] dY, float[] x, int n, GeluKind kind) {
    geluBackward(dY, x, 0, n, kind);
  }

  static void geluBackward(float[] dY, float[] x, int from, int n, GeluKind kind) {
    for (int i = from; i < n; i++) {
      float v = x[i];
      double slope;
      if (kind == GeluKind.ERF) {
        slope = Math.exp(-0.5 * v * v) / Math.sqrt(2 * Math.PI);
      } else {
        float cdf = gate(v, kind);
        slope = 2 * cdf * (1 - cdf) * SQRT_2_OVER_PI * (1 + 3 * TANH_CUBIC * v * v);
      }
      dY[i] = (float) (dY[i] * (gate(v, kind) + v * slope));
    }
  }

  /** What x is multiplied by: the normal distribution function, or its tanh approximation. */
  private static float gate(float x, GeluKind kind) {
    return kind == GeluKind.ERF
        ? 0.5f * (1 + erf(x * 0.70710678f))
        : sigmoid(2 * SQRT_2_OVER_PI * (x + TANH_CUBIC * x * x * x));
  }

  static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }

  /** The error function by the rational approximation of {@link VectorRowKernels}. */
  static float erf(float x) {
    if (Math.abs(x) >= ErfTerms.LIMIT) {
      return Math.signum(x);
    }
    float z2 = x * x;
    float p = ErfTerms.NUMERATOR[0];
    for (int i = 1; i < ErfTerms.NUMERATOR.length; i++) {
      p = Math.fma(p, z2, ErfTerms.NUMERATOR[i]);
    }
    float q = ErfTerms.DENOMINATOR[0];
    for (int i = 1; i < ErfTerms.DENOMINATOR.length; i++) {
      q = Math.fma(q, z2, ErfTerms.DENOMINATOR[i]);
    }
    return x * p / q;
  }

  @Override
  public void rotate(float[] x, int xo, int half, float[] cos, float[] sin, int table, float sign) {
    rotate(x, xo, half, cos, sin, table, sign, 0);
  }

  static void rotate(
      float[] x, int xo, int half, float[] cos, float[] sin, int table, float sign, int from) {
    for (int i = from; i < half; i++) {
      float a = x[xo + i];
      float b = x[xo + half + i];
      float c = cos[table + i];
      float s = sign * sin[table + i];
      x[xo + i] = a * c - b * s;
      x[xo + half + i] = b * c + a * s;
    }
  }
}
