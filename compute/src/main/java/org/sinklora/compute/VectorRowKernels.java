package org.sinklora.compute;

import static org.sinklora.compute.VectorMath.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/** The row kernels on the Vector API. Tails shorter than a vector run the plain twin. */
final class VectorRowKernels implements RowKernels {
  private static final int LANES = SPECIES.length();
  private static final float LOG2_E = 1.4426950408889634f;
  private static final float SQRT_2_OVER_PI = 0.7978845608028654f;
  private static final float TANH_CUBIC = 0.044715f;
  private static final float INVERSE_SQRT_2 = 0.70710678f;
  private static final float INVERSE_SQRT_2_PI = 0.3989422804f;

  // The argument of exp2 must stay in its range; beyond it a sigmoid is 0 or 1 in float32.
  private static final float EXP2_LIMIT = 126f;

  private final PlainRowKernels plain = new PlainRowKernels();

  private static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(SPECIES, x, at);
  }

  @Override
  public float dot(float[] x, int xo, float[] y, int yo, int n) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    int i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
      a = load(x, xo + i).fma(load(y, yo + i), a);
      b = load(x, xo + i + LANES).fma(load(y, yo + i + LANES), b);
    }
    float sum = a.add(b).reduceLanes(VectorOperators.ADD);
    return sum + plain.dot(x, xo + i, y, yo + i, n - i);
  }

  @Override
  public float sum(float[] x, int xo, int n) {
    FloatVector a = FloatVector.zero(SPECIES);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      a = a.add(load(x, xo + i));
    }
    return a.reduceLanes(VectorOperators.ADD) + plain.sum(x, xo + i, n - i);
  }

  @Override
  public float max(float[] x, int xo, int n) {
    FloatVector a = FloatVector.broadcast(SPECIES, Float.NEGATIVE_INFINITY);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      a = a.max(load(x, xo + i));
    }
    return Math.max(a.reduceLanes(VectorOperators.MAX), plain.max(x, xo + i, n - i));
  }

  @Override
  public float expAndSum(float[] x, int xo, int n, float max) {
    FloatVector sum = FloatVector.zero(SPECIES);
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector e = VectorMath.exp2(load(x, xo + i).sub(max).mul(LOG2_E));
      e.intoArray(x, xo + i);
      sum = sum.add(e);
    }
    return sum.reduceLanes(VectorOperators.ADD) + plain.expAndSum(x, xo + i, n - i, max);
  }

  private static FloatVector clamp(FloatVector x, float limit) {
    FloatVector low = x.blend(limit, x.compare(VectorOperators.GT, limit));
    return low.blend(-limit, low.compare(VectorOperators.LT, -limit));
  }

  /** {@code 1 / (1 + e^(-x))}. */
  private static FloatVector sigmoid(FloatVector x) {
    FloatVector e = VectorMath.exp2(clamp(x.mul(-LOG2_E), EXP2_LIMIT));
    return FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
  }

  @Override
  public void swiGlu(float[] gate, float[] up, float[] y, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector g = load(gate, i);
      g.mul(sigmoid(g)).mul(load(up, i)).intoArray(y, i);
    }
    for (; i < n; i++) {
      y[i] = gate[i] * PlainRowKernels.sigmoid(gate[i]) * up[i];
    }
  }

  @Override
  public void swiGluBackward(float[] dY, float[] gate, float[] up, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector g = load(gate, i);
      FloatVector s = sigmoid(g);
      FloatVector d = load(dY, i);
      FloatVector gs = g.mul(s);
      // silu'(g) = s·(1 + g·(1 − s)) = s + g·s·(1 − s)
      FloatVector slope = gs.sub(gs.mul(s)).add(s);
      d.mul(load(up, i)).mul(slope).intoArray(gate, i);
      d.mul(gs).intoArray(up, i);
    }
    PlainRowKernels.swiGluBackward(dY, gate, up, i, n);
  }

  private static FloatVector erf(FloatVector x) {
    FloatVector z = clamp(x, ErfTerms.LIMIT);
    FloatVector z2 = z.mul(z);
    FloatVector p = FloatVector.broadcast(SPECIES, ErfTerms.NUMERATOR[0]);
    for (int i = 1; i < ErfTerms.NUMERATOR.length; i++) {
      p = p.fma(z2, FloatVector.broadcast(SPECIES, ErfTerms.NUMERATOR[i]));
    }
    FloatVector q = FloatVector.broadcast(SPECIES, ErfTerms.DENOMINATOR[0]);
    for (int i = 1; i < ErfTerms.DENOMINATOR.length; i++) {
      q = q.fma(z2, FloatVector.broadcast(SPECIES, ErfTerms.DENOMINATOR[i]));
    }
    FloatVector inside = z.mul(p).div(q);
    return inside
        .blend(1f, x.compare(VectorOperators.GE, ErfTerms.LIMIT))
        .blend(-1f, x.compare(VectorOperators.LE, -ErfTerms.LIMIT));
  }

  private static FloatVector normalCdf(FloatVector x) {
    return erf(x.mul(INVERSE_SQRT_2)).mul(0.5f).add(0.5f);
  }

  /** {@code (1 + tanh(u)) / 2 = sigmoid(2u)}, with u the cubic of the tanh approximation. */
  private static FloatVector tanhCdf(FloatVector x) {
    FloatVector cubic = x.mul(x).mul(x).mul(TANH_CUBIC).add(x);
    return sigmoid(cubic.mul(2 * SQRT_2_OVER_PI));
  }

  @Override
  public void gelu(float[] x, int n, GeluKind kind) {
    int i = kind == GeluKind.ERF ? geluErf(x, n) : geluTanh(x, n);
    PlainRowKernels.gelu(x, i, n, kind);
  }

  private static int geluErf(float[] x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector v = load(x, i);
      v.mul(normalCdf(v)).intoArray(x, i);
    }
    return i;
  }

  private static int geluTanh(float[] x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector v = load(x, i);
      v.mul(tanhCdf(v)).intoArray(x, i);
    }
    return i;
  }

  @Override
  public void geluBackward(float[] dY, float[] x, int n, GeluKind kind) {
    int i = kind == GeluKind.ERF ? geluErfBackward(dY, x, n) : geluTanhBackward(dY, x, n);
    PlainRowKernels.geluBackward(dY, x, i, n, kind);
  }

  private static int geluErfBackward(float[] dY, float[] x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector v = load(x, i);
      FloatVector density =
          VectorMath.exp2(clamp(v.mul(v).mul(-0.5f * LOG2_E), EXP2_LIMIT)).mul(INVERSE_SQRT_2_PI);
      load(dY, i).mul(v.fma(density, normalCdf(v))).intoArray(dY, i);
    }
    return i;
  }

  private static int geluTanhBackward(float[] dY, float[] x, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      FloatVector v = load(x, i);
      FloatVector cdf = tanhCdf(v);
      FloatVector inner = v.mul(v).mul(3 * TANH_CUBIC).add(1f).mul(2 * SQRT_2_OVER_PI);
      FloatVector slope = cdf.sub(cdf.mul(cdf)).mul(inner);
      load(dY, i).mul(v.fma(slope, cdf)).intoArray(dY, i);
    }
    return i;
  }

  @Override
  public void rotate(float[] x, int xo, int half, float[] cos, float[] sin, int table, float sign) {
    int i = 0;
    for (; i + LANES <= half; i += LANES) {
      FloatVector a = load(x, xo + i);
      FloatVector b = load(x, xo + half + i);
      FloatVector c = load(cos, table + i);
      FloatVector s = load(sin, table + i).mul(sign);
      a.mul(c).sub(b.mul(s)).intoArray(x, xo + i);
      b.mul(c).add(a.mul(s)).intoArray(x, xo + half + i);
    }
    PlainRowKernels.rotate(x, xo, half, cos, sin, table, sign, i);
  }
}
