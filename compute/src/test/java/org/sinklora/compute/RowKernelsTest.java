package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Both implementations against double-precision formulas, on lengths that leave tails. */
class RowKernelsTest {
  private static final int[] LENGTHS = {0, 1, 7, 16, 31, 64, 257};

  static Stream<Arguments> cases() {
    return Stream.of(new PlainRowKernels(), new VectorRowKernels())
        .flatMap(kernels -> Arrays.stream(LENGTHS).mapToObj(n -> Arguments.of(kernels, n)));
  }

  private static void assertClose(double expected, float actual, double scale, String what) {
    assertEquals(expected, actual, 2e-6 * Math.max(1e-3, scale), what);
  }

  @ParameterizedTest
  @MethodSource("cases")
  void reductions(RowKernels kernels, int n) {
    RandomFloats random = new RandomFloats(n);
    float[] x = random.next(n + 5);
    float[] y = random.next(n + 5);
    double dot = 0;
    double sum = 0;
    double max = Double.NEGATIVE_INFINITY;
    double exps = 0;
    for (int i = 0; i < n; i++) {
      dot += (double) x[i + 2] * y[i + 3];
      sum += x[i + 2];
      max = Math.max(max, x[i + 2]);
    }
    assertClose(dot, kernels.dot(x, 2, y, 3, n), n, "dot");
    assertClose(sum, kernels.sum(x, 2, n), n, "sum");
    assertEquals((float) max, kernels.max(x, 2, n));
    if (n > 0) {
      float[] e = x.clone();
      float total = kernels.expAndSum(e, 2, n, (float) max);
      for (int i = 0; i < n; i++) {
        double expected = Math.exp(x[i + 2] - (float) max);
        exps += expected;
        // The argument is rounded before the power is taken: its error becomes relative.
        double rounding = 1.2e-7 * (2 + Math.abs(x[i + 2] - max));
        assertEquals(expected, e[i + 2], rounding * expected + 1e-37);
      }
      assertClose(exps, total, exps, "sum of exponentials");
      assertEquals(x[1], e[1]);
      assertEquals(x[n + 2], e[n + 2]);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void swiGlu(RowKernels kernels, int n) {
    RandomFloats random = new RandomFloats(100 + n);
    float[] gate = random.next(n, 4);
    float[] up = random.next(n);
    float[] dY = random.next(n);
    float[] y = new float[n];
    kernels.swiGlu(gate, up, y, n);
    float[] dGate = gate.clone();
    float[] dUp = up.clone();
    kernels.swiGluBackward(dY, dGate, dUp, n);
    for (int i = 0; i < n; i++) {
      double s = 1 / (1 + Math.exp(-gate[i]));
      assertClose(gate[i] * s * up[i], y[i], Math.abs(gate[i] * up[i]) + 1, "y");
      double slope = s * (1 + gate[i] * (1 - s));
      assertClose(dY[i] * up[i] * slope, dGate[i], Math.abs(dY[i] * up[i]) + 1, "dGate");
      assertClose(dY[i] * gate[i] * s, dUp[i], Math.abs(dY[i] * gate[i]) + 1, "dUp");
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void gelu(RowKernels kernels, int n) {
    for (GeluKind kind : GeluKind.values()) {
      RandomFloats random = new RandomFloats(200 + n);
      float[] x = random.next(n, 3);
      float[] dY = random.next(n);
      float[] y = x.clone();
      kernels.gelu(y, n, kind);
      float[] dX = dY.clone();
      kernels.geluBackward(dX, x, n, kind);
      for (int i = 0; i < n; i++) {
        double expected = gelu(x[i], kind);
        double h = 1e-5;
        double slope = (gelu(x[i] + h, kind) - gelu(x[i] - h, kind)) / (2 * h);
        assertClose(expected, y[i], Math.abs(x[i]) + 1, kind + " of " + x[i]);
        assertClose(dY[i] * slope, dX[i], 2 * Math.abs(dY[i]) + 1, kind + "' at " + x[i]);
      }
    }
  }

  private static double gelu(double x, GeluKind kind) {
    if (kind == GeluKind.TANH) {
      return 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));
    }
    return 0.5 * x * (1 + erf(x / Math.sqrt(2)));
  }

  /** The integral of the bell curve by Simpson's rule: slow, and good to 1e-12. */
  private static double erf(double x) {
    double end = Math.min(6, Math.abs(x));
    int steps = 2000;
    double h = end / steps;
    double sum = 1 + Math.exp(-end * end);
    for (int i = 1; i < steps; i++) {
      sum += (i % 2 == 0 ? 2 : 4) * Math.exp(-(i * h) * (i * h));
    }
    return Math.signum(x) * sum * h / 3 * 2 / Math.sqrt(Math.PI);
  }

  @ParameterizedTest
  @ValueSource(floats = {-1e30f, -200f, -87.5f, 0f, 87.5f, 200f, 1e30f})
  void extremesStayFinite(float extreme) {
    for (RowKernels kernels : new RowKernels[] {new PlainRowKernels(), new VectorRowKernels()}) {
      int n = 64;
      float[] gate = new float[n];
      Arrays.fill(gate, extreme);
      float[] up = new RandomFloats(1).next(n);
      float[] y = new float[n];
      kernels.swiGlu(gate, up, y, n);
      for (int i = 0; i < n; i++) {
        double expected = extreme <= -87 ? 0 : extreme * up[i] / (1 + Math.exp(-extreme));
        // A sigmoid ends at the smallest normal float, not at 0.
        double floor = Float.MIN_NORMAL * Math.abs(extreme * up[i]);
        assertEquals(expected, y[i], 1e-6 * Math.abs(expected) + 1.01 * floor);
      }
      float[] x = gate.clone();
      kernels.gelu(x, n, GeluKind.ERF);
      assertTrue(Float.isFinite(x[0]));
      assertEquals(Math.max(extreme, 0), x[0], 1e-5f * Math.abs(extreme));
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void rotationsKeepLengthAndComeBack(RowKernels kernels, int half) {
    RandomFloats random = new RandomFloats(300 + half);
    float[] x = random.next(2 * half + 3);
    float[] cos = new float[half + 2];
    float[] sin = new float[half + 2];
    float[] angles = random.next(half);
    for (int i = 0; i < half; i++) {
      cos[i + 2] = (float) Math.cos(angles[i]);
      sin[i + 2] = (float) Math.sin(angles[i]);
    }
    float[] rotated = x.clone();
    kernels.rotate(rotated, 1, half, cos, sin, 2, 1);
    for (int i = 0; i < half; i++) {
      double a = x[1 + i];
      double b = x[1 + half + i];
      assertEquals(
          a * cos[i + 2] - b * sin[i + 2], rotated[1 + i], 1e-6 * (1 + Math.abs(a) + Math.abs(b)));
      assertEquals(
          b * cos[i + 2] + a * sin[i + 2],
          rotated[1 + half + i],
          1e-6 * (1 + Math.abs(a) + Math.abs(b)));
    }
    kernels.rotate(rotated, 1, half, cos, sin, 2, -1);
    for (int i = 0; i < x.length; i++) {
      assertEquals(x[i], rotated[i], 1e-6 * (1 + Math.abs(x[i])));
    }
  }
}
