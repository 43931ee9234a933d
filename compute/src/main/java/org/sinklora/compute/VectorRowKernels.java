package org.sinklora.compute;

import static org.sinklora.compute.VectorMath.SPECIES;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;

/**
 * The row kernels on the Vector API. Tails shorter than a vector run the plain twin.
 *
 * <p>Every loop is called from one place, {@link #run}, through a field: C2 then compiles it by
 * itself. Inlined into its caller it may exceed the compiler's node budget, which boxes vectors.
 */
final class VectorRowKernels implements RowKernels {
  private static final int LANES = SPECIES.length();
  private static final float LOG2_E = 1.4426950408889634f;
  private static final float SQRT_2_OVER_PI = 0.7978845608028654f;
  private static final float TANH_CUBIC = 0.044715f;
  private static final float INVERSE_SQRT_2 = 0.70710678f;
  private static final float INVERSE_SQRT_2_PI = 0.3989422804f;

  // The argument of exp2 must stay in its range; beyond it a sigmoid is 0 or 1 in float32.
  private static final float EXP2_LIMIT = 126f;

  /** A loop over whole vectors; what the operands mean is up to it. */
  @FunctionalInterface
  private interface Loop {
    float run(float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter);
  }

  private final PlainRowKernels plain = new PlainRowKernels();
  private final Loop dot = VectorRowKernels::dot;
  private final Loop sum = VectorRowKernels::sum;
  private final Loop max = VectorRowKernels::max;
  private final Loop expAndSum = VectorRowKernels::expAndSum;
  private final Loop swiGlu = VectorRowKernels::swiGlu;
  private final Loop swiGluBackward = VectorRowKernels::swiGluBackward;
  private final Loop geluErf = VectorRowKernels::geluErf;
  private final Loop geluTanh = VectorRowKernels::geluTanh;
  private final Loop geluErfBackward = VectorRowKernels::geluErfBackward;
  private final Loop geluTanhBackward = VectorRowKernels::geluTanhBackward;

  private static float run(
      Loop loop, float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter) {
    return loop.run(x, xo, y, yo, z, n, parameter);
  }

  /** The part of {@code n} elements that fills vectors. */
  private static int whole(int n) {
    return n - n % LANES;
  }

  private static FloatVector load(float[] x, int at) {
    return FloatVector.fromArray(SPECIES, x, at);
  }

  @Override
  public float dot(float[] x, int xo, float[] y, int yo, int n) {
    int w = n - n % (2 * LANES);
    return run(dot, x, xo, y, yo, null, w, 0) + plain.dot(x, xo + w, y, yo + w, n - w);
  }

  private static float dot(
      float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter) {
    FloatVector a = FloatVector.zero(SPECIES);
    FloatVector b = a;
    for (int i = 0; i < n; i += 2 * LANES) {
      a = load(x, xo + i).fma(load(y, yo + i), a);
      b = load(x, xo + i + LANES).fma(load(y, yo + i + LANES), b);
    }
    return a.add(b).reduceLanes(VectorOperators.ADD);
  }

  @Override
  public float sum(float[] x, int xo, int n) {
    int w = whole(n);
    return run(sum, x, xo, null, 0, null, w, 0) + plain.sum(x, xo + w, n - w);
  }

  private static float sum(
      float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter) {
    FloatVector a = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      a = a.add(load(x, xo + i));
    }
    return a.reduceLanes(VectorOperators.ADD);
  }

  @Override
  public float max(float[] x, int xo, int n) {
    int w = whole(n);
    float most = run(max, x, xo, null, 0, null, w, Float.NEGATIVE_INFINITY);
    return Math.max(most, plain.max(x, xo + w, n - w));
  }

  private static float max(float[] x, int xo, float[] y, int yo, float[] z, int n, float least) {
    FloatVector a = FloatVector.broadcast(SPECIES, least);
    for (int i = 0; i < n; i += LANES) {
      a = a.max(load(x, xo + i));
    }
    return a.reduceLanes(VectorOperators.MAX);
  }

  @Override
  public float expAndSum(float[] x, int xo, int n, float max) {
    int w = whole(n);
    return run(expAndSum, x, xo, null, 0, null, w, max) + plain.expAndSum(x, xo + w, n - w, max);
  }

  private static float expAndSum(
      float[] x, int xo, float[] y, int yo, float[] z, int n, float max) {
    FloatVector sum = FloatVector.zero(SPECIES);
    for (int i = 0; i < n; i += LANES) {
      FloatVector e = VectorMath.exp2(load(x, xo + i).sub(max).mul(LOG2_E));
      e.intoArray(x, xo + i);
      sum = sum.add(e);
    }
    return sum.reduceLanes(VectorOperators.ADD);
  }

  /** {@code 1 / (1 + e^(-x))}. */
  private static FloatVector sigmoid(FloatVector x) {
    FloatVector power = x.mul(-LOG2_E);
    // Below its range exp2 is 0 by itself, above it has to be kept inside.
    FloatVector e =
        VectorMath.exp2(power.blend(EXP2_LIMIT, power.compare(VectorOperators.GT, EXP2_LIMIT)));
    return FloatVector.broadcast(SPECIES, 1f).div(e.add(1f));
  }

  @Override
  public void swiGlu(float[] gate, float[] up, float[] y, int n) {
    run(swiGlu, gate, 0, up, 0, y, whole(n), 0);
    for (int i = whole(n); i < n; i++) {
      y[i] = gate[i] * PlainRowKernels.sigmoid(gate[i]) * up[i];
    }
  }

  private static float swiGlu(
      float[] gate, int go, float[] up, int uo, float[] y, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector g = load(gate, i);
      g.mul(sigmoid(g)).mul(load(up, i)).intoArray(y, i);
    }
    return 0;
  }

  @Override
  public void swiGluBackward(float[] dY, float[] gate, float[] up, int n) {
    run(swiGluBackward, gate, 0, up, 0, dY, whole(n), 0);
    PlainRowKernels.swiGluBackward(dY, gate, up, whole(n), n);
  }

  private static float swiGluBackward(
      float[] gate, int go, float[] up, int uo, float[] dY, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector g = load(gate, i);
      FloatVector s = sigmoid(g);
      FloatVector d = load(dY, i);
      FloatVector gs = g.mul(s);
      // silu'(g) = s·(1 + g·(1 − s)) = s + g·s·(1 − s)
      FloatVector slope = gs.sub(gs.mul(s)).add(s);
      d.mul(load(up, i)).mul(slope).intoArray(gate, i);
      d.mul(gs).intoArray(up, i);
    }
    return 0;
  }

  private static FloatVector erf(FloatVector x) {
    FloatVector z2 = x.mul(x);
    FloatVector p = FloatVector.broadcast(SPECIES, ErfTerms.NUMERATOR[0]);
    for (int i = 1; i < ErfTerms.NUMERATOR.length; i++) {
      p = p.fma(z2, FloatVector.broadcast(SPECIES, ErfTerms.NUMERATOR[i]));
    }
    FloatVector q = FloatVector.broadcast(SPECIES, ErfTerms.DENOMINATOR[0]);
    for (int i = 1; i < ErfTerms.DENOMINATOR.length; i++) {
      q = q.fma(z2, FloatVector.broadcast(SPECIES, ErfTerms.DENOMINATOR[i]));
    }
    FloatVector inside = x.mul(p).div(q);
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
    run(kind == GeluKind.ERF ? geluErf : geluTanh, x, 0, null, 0, null, whole(n), 0);
    PlainRowKernels.gelu(x, whole(n), n, kind);
  }

  private static float geluErf(
      float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = load(x, i);
      v.mul(normalCdf(v)).intoArray(x, i);
    }
    return 0;
  }

  private static float geluTanh(
      float[] x, int xo, float[] y, int yo, float[] z, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = load(x, i);
      v.mul(tanhCdf(v)).intoArray(x, i);
    }
    return 0;
  }

  @Override
  public void geluBackward(float[] dY, float[] x, int n, GeluKind kind) {
    Loop loop = kind == GeluKind.ERF ? geluErfBackward : geluTanhBackward;
    run(loop, x, 0, null, 0, dY, whole(n), 0);
    PlainRowKernels.geluBackward(dY, x, whole(n), n, kind);
  }

  private static float geluErfBackward(
      float[] x, int xo, float[] y, int yo, float[] dY, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = load(x, i);
      FloatVector density = VectorMath.exp2(v.mul(v).mul(-0.5f * LOG2_E)).mul(INVERSE_SQRT_2_PI);
      load(dY, i).mul(v.fma(density, normalCdf(v))).intoArray(dY, i);
    }
    return 0;
  }

  private static float geluTanhBackward(
      float[] x, int xo, float[] y, int yo, float[] dY, int n, float parameter) {
    for (int i = 0; i < n; i += LANES) {
      FloatVector v = load(x, i);
      FloatVector cdf = tanhCdf(v);
      FloatVector inner = v.mul(v).mul(3 * TANH_CUBIC).add(1f).mul(2 * SQRT_2_OVER_PI);
      FloatVector slope = cdf.sub(cdf.mul(cdf)).mul(inner);
      load(dY, i).mul(v.fma(slope, cdf)).intoArray(dY, i);
    }
    return 0;
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
