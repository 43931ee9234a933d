package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every {@link Device} has to do, against {@link Oracle}. Inputs are read back from the device
 * before they are used here, so that rounding them to the device's precision is no error; outputs
 * are poisoned with NaN before the call. Nothing but uploads and downloads of floats is used to
 * look at tensors.
 */
public abstract class DeviceConformance {

  /** The device under test; the same for all tests of a class. */
  protected abstract Device device();

  /** Error that is allowed in activations, relative to the largest value of the tensor. */
  protected abstract double tolerance();

  /** The same where only float32 takes part. */
  protected double float32Tolerance() {
    return 2e-5;
  }

  private static int size(long... shape) {
    return Math.toIntExact(Arrays.stream(shape).reduce(1, (a, b) -> a * b));
  }

  /** Random activations. */
  protected Tensor activations(long seed, long... shape) {
    return filled(device().allocateActivations(shape), seed);
  }

  /** Random trained parameters: float32 on any device. */
  protected Tensor parameters(long seed, long... shape) {
    return filled(device().allocate(shape), seed);
  }

  private Tensor filled(Tensor tensor, long seed) {
    device().upload(new RandomFloats(seed).next(size(tensor.shape())), 0, tensor);
    return tensor;
  }

  /** Activations of NaN: an output that is not written everywhere shows. */
  protected Tensor poisoned(long... shape) {
    return poison(device().allocateActivations(shape));
  }

  /** The same in float32. */
  protected Tensor poisonedFloat32(long... shape) {
    return poison(device().allocate(shape));
  }

  private Tensor poison(Tensor tensor) {
    device().fill(tensor, Float.NaN);
    return tensor;
  }

  /** All elements. */
  protected float[] values(Tensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    device().download(tensor, values, 0);
    return values;
  }

  protected void assertClose(double[] expected, Tensor actual, String what) {
    assertClose(expected, values(actual), tolerance(), what);
  }

  protected void assertCloseFloat32(double[] expected, Tensor actual, String what) {
    assertClose(expected, values(actual), float32Tolerance(), what);
  }

  private static void assertClose(double[] expected, float[] actual, double allowed, String what) {
    assertEquals(expected.length, actual.length, what);
    // Inputs are around 1: a result near 0 is a difference of such numbers.
    double largest = 0.05;
    for (double value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      // A difference that is no number is an error too.
      if (!(Math.abs(expected[i] - actual[i]) <= allowed * largest)) {
        assertEquals(expected[i], actual[i], allowed * largest, what + "[" + i + "]");
      }
    }
  }

  private static double[] sum(float[] before, double[] added) {
    double[] after = added.clone();
    for (int i = 0; i < after.length; i++) {
      after[i] += before[i];
    }
    return after;
  }

  // Memory and elementwise operations.

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 8, 1000, 100_003, 1_100_000})
  void uploadsComeBackAndNewTensorsAreZero(int n) {
    Tensor tensor = device().allocate(n);
    assertArrayEquals(new float[n], values(tensor));
    float[] source = new RandomFloats(n).next(n + 5);
    device().upload(source, 3, tensor);
    float[] target = new float[n + 2];
    device().download(tensor, target, 2);
    assertArrayEquals(Arrays.copyOfRange(source, 3, n + 3), Arrays.copyOfRange(target, 2, n + 2));
    Tensor rounded = device().allocateActivations(n);
    device().upload(source, 3, rounded);
    device().download(rounded, target, 2);
    for (int i = 0; i < n; i++) {
      assertEquals(source[i + 3], target[i + 2], Math.abs(source[i + 3]) / 256);
    }
    assertThrows(
        IndexOutOfBoundsException.class, () -> device().upload(source, 6, device().allocate(n)));
  }

  @Test
  void parkedContentsComeBack() {
    Tensor x = activations(31, 300, 70);
    float[] before = values(x);
    try (ParkedTensor place = device().park(x)) {
      for (Tensor part : new Tensor[] {x, x.rows(0, 120)}) {
        float[] expected = values(part);
        place.store(part);
        place.await();
        device().fill(part, Float.NaN);
        place.load(part);
        place.await();
        assertArrayEquals(expected, values(part));
        assertArrayEquals(before, values(x));
      }
    }
  }

  @Test
  void viewsShareMemoryAndCannotLeaveIt() {
    Tensor tensor = device().allocate(10);
    device().upload(new float[] {7, 8}, 0, tensor.view(4, 3).view(1, 2));
    assertArrayEquals(new float[] {0, 0, 0, 0, 0, 7, 8, 0, 0, 0}, values(tensor));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(8, 3));
    assertThrows(IllegalArgumentException.class, () -> tensor.view(4, 3).view(0, 4));
    assertThrows(IllegalArgumentException.class, () -> device().allocate(3, 0));
    tensor.view(0, 5).close();
    assertEquals(7, values(tensor)[5]);
    tensor.close();
    assertThrows(IllegalStateException.class, () -> values(tensor));
  }

  @ParameterizedTest
  @CsvSource({"1,0", "7,0", "8,0", "1000,0", "100003,0", "1000,1", "100003,3"})
  void elementwiseOperations(int n, int start) {
    Tensor x = activations(1, n + start).view(start, n);
    Tensor y = activations(2, n + start).view(start, n);
    Tensor z = parameters(3, n + start).view(start, n);
    float[] a = values(x);
    float[] b = values(y);
    float[] c = values(z);
    device().axpy(0.5f, x, y);
    device().axpy(-2, x, z);
    double[] sums = new double[n];
    double[] mixed = new double[n];
    double squares = 0;
    for (int i = 0; i < n; i++) {
      sums[i] = b[i] + 0.5 * a[i];
      mixed[i] = c[i] - 2.0 * a[i];
      squares += (double) a[i] * a[i];
    }
    assertClose(sums, y, "axpy");
    assertCloseFloat32(mixed, z, "axpy into float32");
    float[] before = values(y);
    device().scale(y, 3);
    double[] scaled = new double[n];
    for (int i = 0; i < n; i++) {
      scaled[i] = 3.0 * before[i];
    }
    assertClose(scaled, y, "scale");
    assertEquals(squares, device().sumOfSquares(x), 1e-5 * squares);
    device().copy(x, y);
    assertArrayEquals(a, values(y));
    device().copy(x, z);
    assertArrayEquals(a, values(z));
    device().fill(z, 7);
    device().copy(z, y);
    device().fill(z, -0.5f);
    for (int i = 0; i < n; i++) {
      assertEquals(7f, values(y)[i]);
      assertEquals(-0.5f, values(z)[i]);
      i += n / 7;
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> device().copy(x, device().allocateActivations(n + 1)));
  }

  @Test
  void operationsOnAViewLeaveTheRestAlone() {
    Tensor whole = activations(1, 1000);
    float[] before = values(whole);
    device().scale(whole.view(300, 301), 0);
    device().fill(whole.view(700, 1), 5);
    float[] after = values(whole);
    for (int i = 0; i < 1000; i++) {
      float expected = i == 700 ? 5 : i >= 300 && i < 601 ? before[i] * 0 : before[i];
      assertEquals(expected, after[i]);
    }
  }

  @ParameterizedTest
  @CsvSource({"1,0", "1000,0", "50000,0", "50000,1"})
  void swiGluAlsoInPlace(int n, int start) {
    Tensor gate = activations(1, n + start).view(start, n);
    Tensor up = activations(2, n + start).view(start, n);
    Tensor dY = activations(3, n + start).view(start, n);
    float[] g = values(gate);
    float[] u = values(up);
    Tensor y = poisoned(n + start).view(start, n);
    device().swiGlu(gate, up, y);
    assertClose(Oracle.swiGlu(g, u), y, "y");
    double[][] expected = Oracle.swiGluBackward(values(dY), g, u);
    device().swiGluBackward(dY, gate, up, gate, up);
    assertClose(expected[0], gate, "dGate");
    assertClose(expected[1], up, "dUp");
  }

  @ParameterizedTest
  @EnumSource(GeluKind.class)
  void geluAlsoInPlace(GeluKind kind) {
    int n = 1003;
    Tensor x = activations(1, n);
    device().scale(x, 2);
    Tensor dY = activations(2, n);
    float[] in = values(x);
    float[] d = values(dY);
    double[] expected = new double[n];
    double[] gradient = new double[n];
    for (int i = 0; i < n; i++) {
      expected[i] = Oracle.gelu(in[i], kind);
      gradient[i] = d[i] * Oracle.geluSlope(in[i], kind);
    }
    Tensor y = poisoned(n);
    device().gelu(x, kind, y);
    assertClose(expected, y, "y");
    device().geluBackward(dY, x, kind, dY);
    assertClose(gradient, dY, "dX");
    device().gelu(x, kind, x);
    assertClose(expected, x, "y in place");
  }

  @ParameterizedTest
  @ValueSource(floats = {-1e30f, -200f, -87.5f, 0f, 87.5f, 200f, 1e30f})
  void activationsOfExtremesStayFinite(float extreme) {
    Tensor gate = device().allocateActivations(64);
    device().fill(gate, extreme);
    Tensor up = activations(1, 64);
    Tensor y = poisoned(64);
    device().swiGlu(gate, up, y);
    for (float value : values(y)) {
      assertTrue(Float.isFinite(value));
    }
    for (GeluKind kind : GeluKind.values()) {
      device().gelu(gate, kind, y);
      assertEquals(Math.max(extreme, 0), values(y)[0], 1e-2f * Math.abs(extreme));
    }
  }

  @Test
  void dropoutDependsOnTheElementsNumberAlone() {
    Tensor ones = device().allocateActivations(100_000);
    device().fill(ones, 1);
    Tensor y = poisoned(100_000);
    device().dropout(ones, 0.25f, 42, 1000, y);
    float[] all = values(y);
    int dropped = 0;
    for (int i = 0; i < all.length; i++) {
      boolean drop = uniform(42, 1000 + i) < 0.25f;
      assertEquals(drop ? 0 : 1 / 0.75f, all[i], 1e-2f, "element " + i);
      dropped += drop ? 1 : 0;
    }
    assertEquals(25_000, dropped, 600);
    Tensor part = poisoned(501).view(1, 500);
    device().dropout(ones.view(0, 500), 0.25f, 42, 1700, part);
    assertArrayEquals(Arrays.copyOfRange(all, 700, 1200), values(part));
    assertThrows(IllegalArgumentException.class, () -> device().dropout(ones, 1, 42, 0, ones));
  }

  /** The generator that all devices share: SplitMix64 of the element's number. */
  private static float uniform(long key, long index) {
    long z = key + (index + 1) * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return ((z ^ (z >>> 31)) >>> 40) * 0x1p-24f;
  }

  @Test
  void normalNumbersDependOnTheSeedAlone() {
    int n = 200_001;
    Tensor x = poisoned(n);
    device().fillNormal(x, 0.5f, 7);
    float[] numbers = values(x);
    double mean = 0;
    double square = 0;
    int within = 0;
    int zeros = 0;
    for (float v : numbers) {
      mean += v / (double) n;
      square += (double) v * v / n;
      within += Math.abs(v) < 0.5f ? 1 : 0;
      zeros += v == 0 ? 1 : 0;
    }
    assertEquals(0, mean, 0.006);
    assertEquals(0.5, Math.sqrt(square), 0.004);
    assertEquals(0.6827, within / (double) n, 0.006);
    assertTrue(zeros < 10);
    Tensor again = poisoned(n + 1).view(1, n);
    device().fillNormal(again, 0.5f, 7);
    assertArrayEquals(numbers, values(again));
    device().fillNormal(again, 0.5f, 8);
    double product = 0;
    float[] others = values(again);
    for (int i = 0; i < n; i++) {
      product += (double) numbers[i] * others[i] / n;
    }
    assertEquals(0, product, 0.003);
  }

  @ParameterizedTest
  @CsvSource({"3000,0", "1001,1", "1,0"})
  void adamWFollowsTheDefinition(int n, int start) {
    Tensor p = parameters(1, n + start).view(start, n);
    Tensor m = device().allocate(n);
    Tensor v = device().allocate(n);
    double[] q = Oracle.doubles(values(p));
    double[] first = new double[n];
    double[] second = new double[n];
    for (int step = 1; step <= 10; step++) {
      Tensor g = parameters(10 + step, n);
      float[] gradient = values(g);
      device().adamW(p, g, m, v, 0.5f, new AdamWStep(1e-2, 0.9, 0.999, 1e-8, 0.01, step));
      for (int i = 0; i < n; i++) {
        double d = 0.5 * gradient[i];
        q[i] *= 1 - 1e-2 * 0.01;
        first[i] = 0.9 * first[i] + 0.1 * d;
        second[i] = 0.999 * second[i] + 0.001 * d * d;
        double mean = first[i] / (1 - Math.pow(0.9, step));
        double root = Math.sqrt(second[i] / (1 - Math.pow(0.999, step)));
        q[i] -= 1e-2 * mean / (root + 1e-8);
      }
    }
    assertCloseFloat32(q, p, "parameter");
    assertCloseFloat32(first, m, "first moment");
    assertCloseFloat32(second, v, "second moment");
  }

  // Matrix products.

  @ParameterizedTest
  @CsvSource({
    "5,7,3",
    "1,1,1",
    "64,64,64",
    "130,17,250",
    "17,130,250",
    "8,256,4096",
    "4096,8,33",
    "300,300,300",
    "8,1000,3000",
    "1,32000,64",
    "512,11008,40"
  })
  void matmulInEveryTransposition(int m, int n, int k) {
    for (int transposed = 0; transposed < 4; transposed++) {
      boolean ta = (transposed & 1) != 0;
      boolean tb = (transposed & 2) != 0;
      Tensor a = ta ? activations(1, k, m) : activations(1, m, k);
      Tensor b = tb ? activations(2, n, k) : activations(2, k, n);
      Tensor trained = tb ? parameters(4, n, k) : parameters(4, k, n);
      Tensor c = activations(3, m, n);
      float[] before = values(c);
      Tensor sum = poisoned(m, n);
      device().matmulAdd(a, ta, trained, tb, c, sum);
      device().matmul(a, ta, b, tb, 0.5f, 2, c);
      Tensor fresh = poisonedFloat32(m, n);
      device().matmul(a, ta, b, tb, 1, 0, fresh);
      float[] x = values(a);
      float[] y = values(b);
      float[] z = values(trained);
      float[] got = values(c);
      float[] gotSum = values(sum);
      float[] gotFresh = values(fresh);
      for (int i = 0; i < m; i += Math.max(1, m / 7)) {
        double[] product = Oracle.productRow(i, x, ta, y, tb, m, n, k);
        assertClose(product, row(gotFresh, i, n), tolerance(), "product, row " + i);
        double[] other = Oracle.productRow(i, x, ta, z, tb, m, n, k);
        for (int j = 0; j < n; j++) {
          product[j] = 0.5 * product[j] + 2 * before[i * n + j];
          other[j] += before[i * n + j];
        }
        assertClose(product, row(got, i, n), tolerance(), "accumulated, row " + i);
        assertClose(other, row(gotSum, i, n), tolerance(), "residual, row " + i);
      }
      assertTrue(Double.isFinite(device().sumOfSquares(fresh)));
      assertTrue(Double.isFinite(device().sumOfSquares(sum)));
    }
  }

  private static float[] row(float[] matrix, int i, int n) {
    return Arrays.copyOfRange(matrix, i * n, (i + 1) * n);
  }

  @Test
  void matmulInFloat32IsThatExact() {
    int m = 70;
    int n = 33;
    int k = 3000;
    Tensor a = parameters(1, m, k);
    Tensor b = parameters(2, k, n);
    Tensor c = poisonedFloat32(m, n);
    device().matmul(a, false, b, false, 1, 0, c);
    float[] x = values(a);
    float[] y = values(b);
    for (int i = 0; i < m; i++) {
      double[] expected = Oracle.productRow(i, x, false, y, false, m, n, k);
      assertClose(expected, row(values(c), i, n), float32Tolerance(), "row " + i);
    }
  }

  @Test
  void matmulOfViewsThatBeginAnywhere() {
    int m = 24;
    int n = 40;
    int k = 16;
    Tensor a = activations(1, m * k + 1).view(1, m, k);
    Tensor b = activations(2, k * n + 3).view(3, k, n);
    Tensor whole = activations(3, m * n + 2);
    float[] before = values(whole);
    device().matmul(a, false, b, false, 1, 1, whole.view(1, m, n));
    float[] after = values(whole);
    assertEquals(before[0], after[0]);
    assertEquals(before[m * n + 1], after[m * n + 1]);
    for (int i = 0; i < m; i++) {
      double[] expected =
          sum(
              Arrays.copyOfRange(before, 1 + i * n, 1 + (i + 1) * n),
              Oracle.productRow(i, values(a), false, values(b), false, m, n, k));
      float[] got = Arrays.copyOfRange(after, 1 + i * n, 1 + (i + 1) * n);
      assertClose(expected, got, tolerance(), "row " + i);
    }
  }

  @ParameterizedTest
  @CsvSource({"1, 64", "37, 192", "130, 1024"})
  void fourBitsHoldTheNearestValueOfEachBlock(int rows, int columns) {
    Tensor matrix = activations(1, rows, columns);
    device().fill(matrix.view(0, 64), 0);
    float[] exact = values(matrix);
    try (Tensor packed = device().toNf4(matrix)) {
      assertArrayEquals(matrix.shape(), packed.shape());
      float[] stored = values(packed);
      for (int from = 0; from < exact.length; from += 64) {
        float scale = 0;
        for (int i = from; i < from + 64; i++) {
          scale = Math.max(scale, Math.abs(exact[i]));
        }
        for (int i = from; i < from + 64; i++) {
          double nearest = Double.MAX_VALUE;
          for (int code = 0; code < 16; code++) {
            double distance = Math.abs((double) NormalFloat4.value(code) * scale - exact[i]);
            nearest = Math.min(nearest, distance);
          }
          assertEquals(nearest, Math.abs(stored[i] - exact[i]), tolerance() * scale, "at " + i);
        }
      }
      Tensor copy = poisonedFloat32(rows * columns + 1);
      device().copy(packed, copy.view(1, rows, columns));
      assertCloseFloat32ToActivations(stored, values(copy.view(1, rows, columns)));
    }
  }

  private void assertCloseFloat32ToActivations(float[] expected, float[] actual) {
    double[] doubles = new double[expected.length];
    Arrays.setAll(doubles, i -> expected[i]);
    assertClose(doubles, actual, tolerance(), "copy");
  }

  @ParameterizedTest
  @CsvSource({"1, 3, 64", "70, 33, 128", "300, 256, 704"})
  void matmulReadsFourBits(int n, int out, int in) {
    Tensor weight = activations(1, out, in);
    try (Tensor packed = device().toNf4(weight);
        Tensor larger = device().toNf4(activations(4, 3 * out, in))) {
      Tensor x = activations(2, n, in);
      Tensor y = poisoned(n, out);
      device().matmul(x, false, larger, true, 1, 0, poisoned(n, 3 * out));
      device().matmul(x, false, packed, true, 1, 0, y);
      Tensor dX = activations(3, n, in);
      Tensor sum = poisoned(n, in);
      device().matmulAdd(y, false, packed, false, dX, sum);
      float[] w = values(packed);
      for (int i = 0; i < n; i += Math.max(1, n / 5)) {
        double[] forward = Oracle.productRow(i, values(x), false, w, true, n, out, in);
        assertClose(forward, row(values(y), i, out), tolerance(), "forward, row " + i);
        double[] backward = Oracle.productRow(i, values(y), false, w, false, n, in, out);
        for (int j = 0; j < in; j++) {
          backward[j] += values(dX)[i * in + j];
        }
        assertClose(backward, row(values(sum), i, in), tolerance(), "backward, row " + i);
      }
    }
  }

  @Test
  void whatFourBitsDoNotDo() {
    assertThrows(IllegalArgumentException.class, () -> device().toNf4(activations(1, 64, 96)));
    try (Tensor packed = device().toNf4(activations(1, 2, 64))) {
      assertThrows(UnsupportedOperationException.class, () -> packed.rows(0, 1));
      assertThrows(IllegalArgumentException.class, () -> device().fill(packed, 1));
      assertThrows(IllegalArgumentException.class, () -> device().copy(packed, parameters(1, 64)));
    }
  }

  @Test
  void matmulSaysWhichShapesDoNotFit() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                device()
                    .matmul(
                        activations(1, 2, 3),
                        false,
                        activations(1, 4, 5),
                        false,
                        1,
                        0,
                        activations(1, 2, 5)));
    assertTrue(e.getMessage().contains("[2, 3]") && e.getMessage().contains("[4, 5]"));
  }

  // Rows.

  @ParameterizedTest
  @CsvSource({
    "1,1,0",
    "3,7,0",
    "5,48,0",
    "200,64,0",
    "700,40,0",
    "9,1000,0",
    "9,1000,1",
    "3,4096,0",
    "2,11008,0",
    "2,11009,0"
  })
  void rmsNorm(int n, int c, int start) {
    Tensor x = activations(1, (long) n * c + start).view(start, n, c);
    Tensor w = parameters(2, c);
    Tensor dY = activations(3, n, c);
    Tensor dX = activations(4, n, c);
    Tensor dW = parameters(5, c);
    Tensor y = poisoned(n, c);
    Tensor inverse = poisonedFloat32(n);
    device().rmsNorm(x, w, 1e-5f, y, inverse);
    float[] in = values(x);
    float[] weight = values(w);
    assertClose(Oracle.norm(in, weight, null, 1e-5f), y, "y");
    double[] inverses = new double[n];
    for (int i = 0; i < n; i++) {
      inverses[i] = Oracle.statistics(in, i, c, 1e-5f, false)[1];
    }
    assertCloseFloat32(inverses, inverse, "inverseRms");
    double[][] expected = Oracle.normBackward(values(dY), in, weight, 1e-5f, false);
    double[] expectedX = sum(values(dX), expected[0]);
    double[] expectedW = sum(values(dW), expected[1]);
    device().rmsNormBackward(dY, x, w, inverse, dX, dW);
    assertClose(expectedX, dX, "dX");
    assertCloseFloat32(expectedW, dW, "dWeight");

    // Frozen weights, in the device's own precision.
    Tensor frozen = device().allocateWeights(c);
    device().copy(w, frozen);
    poison(y);
    device().rmsNorm(x, frozen, 1e-5f, y, inverse);
    assertClose(Oracle.norm(in, values(frozen), null, 1e-5f), y, "y of frozen weights");
    device().fill(dX, 0);
    device().rmsNormBackward(dY, x, frozen, inverse, dX, null);
    expected = Oracle.normBackward(values(dY), in, values(frozen), 1e-5f, false);
    assertClose(expected[0], dX, "dX of frozen weights");
  }

  @ParameterizedTest
  @CsvSource({"1,5,0", "3,7,0", "130,40,0", "700,24,0", "9,1000,1", "2,4096,0", "2,5121,0"})
  void layerNorm(int n, int c, int start) {
    Tensor x = activations(1, (long) n * c + start).view(start, n, c);
    Tensor w = parameters(2, c);
    Tensor b = parameters(6, c);
    Tensor dY = activations(3, n, c);
    Tensor dX = activations(4, n, c);
    Tensor dW = parameters(5, c);
    Tensor dB = parameters(7, c);
    Tensor y = poisoned(n, c);
    Tensor mean = poisonedFloat32(n);
    Tensor inverse = poisonedFloat32(n);
    device().layerNorm(x, w, b, 1e-5f, y, mean, inverse);
    float[] in = values(x);
    float[] weight = values(w);
    assertClose(Oracle.norm(in, weight, values(b), 1e-5f), y, "y");
    double[][] expected = Oracle.normBackward(values(dY), in, weight, 1e-5f, true);
    double[] expectedX = sum(values(dX), expected[0]);
    double[] expectedW = sum(values(dW), expected[1]);
    double[] expectedB = sum(values(dB), expected[2]);
    device().layerNormBackward(dY, x, w, mean, inverse, dX, dW, dB);
    assertClose(expectedX, dX, "dX");
    assertCloseFloat32(expectedW, dW, "dWeight");
    assertCloseFloat32(expectedB, dB, "dBias");
    device().fill(dX, 0);
    device().fill(dB, 0);
    device().layerNormBackward(dY, x, w, mean, inverse, dX, null, dB);
    assertClose(expected[0], dX, "dX of a frozen weight");
    assertCloseFloat32(expected[2], dB, "dBias beside a frozen weight");
  }

  @ParameterizedTest
  @CsvSource({"100,33,0", "1,1,0", "700,256,0", "700,256,1", "3000,8,0", "2,11008,0"})
  void biases(int n, int c, int start) {
    Tensor x = activations(1, (long) n * c + start).view(start, n, c);
    Tensor bias = parameters(2, c);
    float[] before = values(x);
    float[] b = values(bias);
    double[] expected = new double[n * c];
    for (int i = 0; i < n * c; i++) {
      expected[i] = (double) before[i] + b[i % c];
    }
    device().addBias(x, bias);
    assertClose(expected, x, "x + bias");
    Tensor dBias = parameters(3, c);
    double[] sums = Oracle.doubles(values(dBias));
    float[] dY = values(x);
    for (int i = 0; i < n * c; i++) {
      sums[i % c] += dY[i];
    }
    device().addBiasBackward(x, dBias);
    assertCloseFloat32(sums, dBias, "dBias");
  }

  @ParameterizedTest
  @CsvSource({"70,3,20,4,0", "33,8,64,32,0", "9,4,128,64,0", "9,4,128,64,1", "1,1,2,1,0"})
  void ropeRotatesPairsOfStridedHeadsAndComesBack(
      int tokens, int heads, int headDim, int pairs, int start) {
    float[] frequencies = new float[pairs];
    for (int i = 0; i < pairs; i++) {
      frequencies[i] = (float) Math.pow(0.5, i * 12.0 / pairs);
    }
    RopeTable table = new RopeTable(frequencies, 1.5f, 100);
    int width = heads * 3 * headDim;
    Tensor data = activations(1, (long) tokens * width + start);
    float[] before = values(data);
    // The middle one of three roles that take turns.
    Heads keys = new Heads(data, start + headDim, width, 3L * headDim, heads, headDim);
    int[] positions = new int[tokens];
    for (int t = 0; t < tokens; t++) {
      positions[t] = (t * 7) % 100;
    }
    double[] expected = Oracle.doubles(before);
    for (int t = 0; t < tokens; t++) {
      for (int h = 0; h < heads; h++) {
        for (int i = 0; i < pairs; i++) {
          int x = start + headDim + t * width + h * 3 * headDim + i;
          double angle = positions[t] * frequencies[i];
          double a = before[x];
          double b = before[x + pairs];
          expected[x] = 1.5 * (a * Math.cos(angle) - b * Math.sin(angle));
          expected[x + pairs] = 1.5 * (b * Math.cos(angle) + a * Math.sin(angle));
        }
      }
    }
    device().rope(keys, table, positions, false);
    assertClose(expected, data, "rotated");
    float[] after = values(data);
    for (int i = 0; i < before.length; i++) {
      if (i < start || (i - start) / headDim % 3 != 1 || (i - start) % headDim >= 2 * pairs) {
        assertEquals(before[i], after[i], "untouched element " + i);
      }
    }
    device().rope(keys, table, positions, true);
    double[] back = Oracle.doubles(before);
    for (int i = start; i < before.length; i++) {
      boolean rotated = (i - start) / headDim % 3 == 1 && (i - start) % headDim < 2 * pairs;
      back[i] *= rotated ? 2.25 : 1;
    }
    assertClose(back, data, "rotated back");
    // The same array with other contents is another array.
    positions[0] = 100;
    assertThrows(
        IllegalArgumentException.class, () -> device().rope(keys, table, positions, false));
    positions[0] = 99;
    float[] unchanged = values(data);
    device().rope(keys, table, positions, false);
    assertNotEquals(unchanged[start + headDim], values(data)[start + headDim]);
  }

  @ParameterizedTest
  @CsvSource({"11,5,5", "300,64,1000", "7,4096,20", "32000,16,300"})
  void embeddingGathersAndScatters(int vocabulary, int c, int tokens) {
    Tensor table = parameters(1, vocabulary, c);
    int[] ids = new int[tokens];
    for (int i = 0; i < tokens; i++) {
      ids[i] = i % 3 == 0 ? 3 : (i * 7919) % vocabulary;
    }
    Tensor y = poisoned(tokens, c);
    device().embedding(table, ids, y);
    float[] rows = values(table);
    double[] expected = new double[tokens * c];
    for (int i = 0; i < tokens * c; i++) {
      expected[i] = rows[ids[i / c] * c + i % c];
    }
    assertClose(expected, y, "rows");
    Tensor frozen = device().allocateWeights(vocabulary, c);
    device().copy(table, frozen);
    poison(y);
    device().embedding(frozen, ids, y);
    assertClose(expected, y, "rows of a frozen table");

    Tensor dTable = parameters(2, vocabulary, c);
    double[] gradient = Oracle.doubles(values(dTable));
    float[] dY = values(y);
    for (int i = 0; i < tokens * c; i++) {
      gradient[ids[i / c] * c + i % c] += dY[i];
    }
    device().embeddingBackward(y, ids, dTable);
    assertCloseFloat32(gradient, dTable, "dTable");
    int[] outside = {3, vocabulary};
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> device().embedding(table, outside, y.rows(0, 2)));
    assertTrue(e.getMessage().contains(String.valueOf(vocabulary)), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"70,37,0", "5,2,0", "9,1000,0", "9,1000,1", "4,32000,0", "2,50257,0"})
  void crossEntropyAndItsGradient(int n, int vocabulary, int start) {
    Tensor logits = activations(1, (long) n * vocabulary + start).view(start, n, vocabulary);
    device().scale(logits, 5);
    int[] targets = new int[n + 3];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = i % 5 == 0 ? Device.IGNORED : (i * 7919) % vocabulary;
    }
    Tensor losses = poisonedFloat32(n + 3);
    float[] in = values(logits);
    device().crossEntropy(logits, targets, 2, 0, losses);
    assertArrayEquals(in, values(logits));
    double[] expectedLosses = new double[n];
    double[] expected = new double[n * vocabulary];
    for (int i = 0; i < n; i++) {
      int target = targets[i + 2];
      expectedLosses[i] = Oracle.crossEntropy(in, i, vocabulary, target, true)[0];
      double[] gradient = Oracle.crossEntropy(in, i, vocabulary, target, false);
      for (int j = 0; j < vocabulary; j++) {
        expected[i * vocabulary + j] = 0.25 * gradient[j];
      }
    }
    assertCloseFloat32(expectedLosses, losses.view(2, n), "losses");
    poison(losses);
    device().crossEntropy(logits, targets, 2, 0.25f, losses);
    assertCloseFloat32(expectedLosses, losses.view(2, n), "losses beside a gradient");
    assertClose(expected, logits, "gradient");
    float[] around = values(losses);
    assertTrue(Float.isNaN(around[1]) && Float.isNaN(around[n + 2]));
    targets[2] = vocabulary;
    assertThrows(
        IllegalArgumentException.class, () -> device().crossEntropy(logits, targets, 2, 1, losses));
  }

  @Test
  void aLossOfHugeLogitsIsFiniteAndOneOfNaNIsNot() {
    float[] logits = {1e30f, -1e30f, 0, 3, -100, -100, -100, -100};
    Tensor tensor = device().allocateActivations(2, 4);
    device().upload(logits, 0, tensor);
    Tensor losses = poisonedFloat32(2);
    device().crossEntropy(tensor, new int[] {0, 1}, 0, 0, losses);
    assertEquals(0, values(losses)[0], 1e-6);
    assertEquals(Math.log(4), values(losses)[1], 1e-5);
    logits[2] = Float.NaN;
    device().upload(logits, 0, tensor);
    device().crossEntropy(tensor, new int[] {0, 1}, 0, 0, losses);
    assertTrue(Float.isNaN(values(losses)[0]));
    assertFalse(Float.isNaN(values(losses)[1]));
    Arrays.fill(logits, Float.NEGATIVE_INFINITY);
    logits[1] = 2;
    logits[6] = 3;
    logits[7] = 3;
    device().upload(logits, 0, tensor);
    device().crossEntropy(tensor, new int[] {1, 3}, 0, 1, losses);
    assertArrayEquals(new float[] {0, (float) Math.log(2)}, values(losses), 1e-6f);
    assertArrayEquals(new float[] {0, 0, 0, 0, 0, 0, 0.5f, -0.5f}, values(tensor), 1e-6f);
  }

  @Test
  void theSameInputGivesTheSameBits() {
    int n = 500;
    int c = 96;
    int[] ids = new int[n];
    for (int i = 0; i < n; i++) {
      ids[i] = i % 17;
    }
    float[][] results = new float[2][];
    for (int run = 0; run < 2; run++) {
      Tensor x = activations(1, n, c);
      Tensor w = parameters(2, c);
      Tensor dY = activations(3, n, c);
      Tensor y = poisoned(n, c);
      Tensor inverse = poisonedFloat32(n);
      Tensor dX = device().allocateActivations(n, c);
      Tensor gradients = device().allocate(c * c + 18 * c + c);
      device().rmsNorm(x, w, 1e-5f, y, inverse);
      device().rmsNormBackward(dY, x, w, inverse, dX, gradients.view(0, c));
      device().matmul(dY, true, x, false, 1, 0, gradients.view(c, c, c));
      device().embeddingBackward(dX, ids, gradients.view(c + c * c, 17, c));
      device().addBiasBackward(dX, gradients.view(c + c * c + 17 * c, c));
      double norm = device().sumOfSquares(dX);
      results[run] = Arrays.copyOf(values(gradients), c * c + 19 * c + 1);
      results[run][c * c + 19 * c] = (float) norm;
    }
    assertArrayEquals(results[0], results[1]);
  }
}
