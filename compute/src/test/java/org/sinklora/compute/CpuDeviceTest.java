package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The CPU's operations against plain formulas, and their gradients against differences. */
class CpuDeviceTest {
  private final CpuDevice device = new CpuDevice(2);

  private CpuTensor tensor(float[] values, long... shape) {
    CpuTensor tensor = device.allocate(shape);
    device.upload(values, 0, tensor);
    return tensor;
  }

  private CpuTensor random(long seed, long... shape) {
    long size = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    return tensor(new RandomFloats(seed).next((int) size), shape);
  }

  /** Filled with NaN: an output that is not written everywhere shows. */
  private CpuTensor poisoned(long... shape) {
    CpuTensor tensor = device.allocate(shape);
    device.fill(tensor, Float.NaN);
    return tensor;
  }

  @ParameterizedTest
  @CsvSource({
    "5,7,3",
    "1,1,1",
    "64,64,64",
    "130,17,250",
    "17,130,250",
    "8,256,4096",
    "4096,8,33",
    "300,300,300"
  })
  void matmulInEveryTransposition(int m, int n, int k) {
    for (int transposed = 0; transposed < 4; transposed++) {
      boolean ta = (transposed & 1) != 0;
      boolean tb = (transposed & 2) != 0;
      CpuTensor a = ta ? random(1, k, m) : random(1, m, k);
      CpuTensor b = tb ? random(2, n, k) : random(2, k, n);
      CpuTensor c = random(3, m, n);
      float[] before = c.toArray();
      device.matmul(a, ta, b, tb, 0.5f, 2f, c);
      float[] x = a.toArray();
      float[] y = b.toArray();
      float[] z = c.toArray();
      for (int i = 0; i < m; i += Math.max(1, m / 13)) {
        for (int j = 0; j < n; j++) {
          double sum = 0;
          for (int l = 0; l < k; l++) {
            sum += (double) x[ta ? l * m + i : i * k + l] * y[tb ? j * k + l : l * n + j];
          }
          double expected = 0.5 * sum + 2 * before[i * n + j];
          assertEquals(expected, z[i * n + j], 1e-5 * Math.sqrt(k) + 1e-5);
        }
      }
      CpuTensor fresh = poisoned(m, n);
      device.matmul(a, ta, b, tb, 1, 0, fresh);
      assertTrue(Float.isFinite((float) device.sumOfSquares(fresh)));
    }
  }

  @Test
  void matmulSaysWhichShapesDoNotFit() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () ->
                device.matmul(
                    random(1, 2, 3), false, random(1, 4, 5), false, 1, 0, random(1, 2, 5)));
    assertTrue(e.getMessage().contains("[2, 3]") && e.getMessage().contains("[4, 5]"));
  }

  /** Checks {@code analytic} against differences of {@code loss} as x is moved. */
  private void checkGradient(CpuTensor x, CpuTensor analytic, DoubleSupplier loss, String what) {
    float[] values = x.toArray();
    float[] gradient = analytic.toArray();
    float h = 1e-2f;
    double largest = 0;
    for (float g : gradient) {
      largest = Math.max(largest, Math.abs(g));
    }
    for (int i = 0; i < values.length; i += Math.max(1, values.length / 50)) {
      float[] moved = values.clone();
      moved[i] = values[i] + h;
      device.upload(moved, 0, x);
      double above = loss.getAsDouble();
      moved[i] = values[i] - h;
      device.upload(moved, 0, x);
      double below = loss.getAsDouble();
      assertEquals(
          (above - below) / (2 * h), gradient[i], 3e-3 * largest + 2e-4, what + "[" + i + "]");
    }
    device.upload(values, 0, x);
  }

  private static double weighted(CpuTensor y, CpuTensor weights) {
    float[] a = y.toArray();
    float[] b = weights.toArray();
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 64, 200})
  void rmsNorm(int n) {
    int c = 48;
    CpuTensor x = random(1, n, c);
    CpuTensor w = random(2, c);
    CpuTensor dY = random(3, n, c);
    CpuTensor y = poisoned(n, c);
    CpuTensor inverse = poisoned(n);
    device.rmsNorm(x, w, 1e-5f, y, inverse);
    float[] in = x.toArray();
    float[] out = y.toArray();
    float[] weight = w.toArray();
    for (int i = 0; i < n; i++) {
      double square = 0;
      for (int j = 0; j < c; j++) {
        square += (double) in[i * c + j] * in[i * c + j];
      }
      double r = 1 / Math.sqrt(square / c + 1e-5);
      for (int j = 0; j < c; j++) {
        assertEquals(in[i * c + j] * r * weight[j], out[i * c + j], 1e-5);
      }
    }
    CpuTensor dX = device.allocate(n, c);
    CpuTensor dW = device.allocate(c);
    device.rmsNormBackward(dY, x, w, inverse, dX, dW);
    DoubleSupplier loss =
        () -> {
          device.rmsNorm(x, w, 1e-5f, y, inverse);
          return weighted(y, dY);
        };
    checkGradient(x, dX, loss, "dX");
    checkGradient(w, dW, loss, "dWeight");
    CpuTensor again = device.allocate(n, c);
    device.rmsNorm(x, w, 1e-5f, y, inverse);
    device.copy(dX, again);
    device.rmsNormBackward(dY, x, w, inverse, again, null);
    assertEquals(2 * dX.toArray()[c / 2], again.toArray()[c / 2], 1e-5);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 5, 130})
  void layerNorm(int n) {
    int c = 40;
    CpuTensor x = random(1, n, c);
    CpuTensor w = random(2, c);
    CpuTensor b = random(4, c);
    CpuTensor dY = random(3, n, c);
    CpuTensor y = poisoned(n, c);
    CpuTensor mean = poisoned(n);
    CpuTensor inverse = poisoned(n);
    DoubleSupplier loss =
        () -> {
          device.layerNorm(x, w, b, 1e-5f, y, mean, inverse);
          return weighted(y, dY);
        };
    assertTrue(Double.isFinite(loss.getAsDouble()));
    float[] in = x.toArray();
    float[] out = y.toArray();
    float[] weight = w.toArray();
    float[] bias = b.toArray();
    for (int i = 0; i < n; i++) {
      double m = 0;
      double square = 0;
      for (int j = 0; j < c; j++) {
        m += in[i * c + j] / (double) c;
      }
      for (int j = 0; j < c; j++) {
        square += (in[i * c + j] - m) * (in[i * c + j] - m);
      }
      for (int j = 0; j < c; j++) {
        double expected = (in[i * c + j] - m) / Math.sqrt(square / c + 1e-5) * weight[j] + bias[j];
        assertEquals(expected, out[i * c + j], 1e-5);
      }
    }
    CpuTensor dX = device.allocate(n, c);
    CpuTensor dW = device.allocate(c);
    CpuTensor dB = device.allocate(c);
    device.layerNormBackward(dY, x, w, mean, inverse, dX, dW, dB);
    checkGradient(x, dX, loss, "dX");
    checkGradient(w, dW, loss, "dWeight");
    checkGradient(b, dB, loss, "dBias");
  }

  @Test
  void biases() {
    CpuTensor x = random(1, 100, 33);
    CpuTensor bias = random(2, 33);
    float[] before = x.toArray();
    device.addBias(x, bias);
    assertEquals(before[5 * 33 + 7] + bias.toArray()[7], x.toArray()[5 * 33 + 7]);
    CpuTensor dBias = device.allocate(33);
    device.addBiasBackward(x, dBias);
    device.addBiasBackward(x, dBias);
    float[] values = x.toArray();
    double sum = 0;
    for (int i = 0; i < 100; i++) {
      sum += values[i * 33 + 7];
    }
    assertEquals(2 * sum, dBias.toArray()[7], 1e-3);
  }

  @Test
  void ropeRotatesPairsOfStridedHeadsAndComesBack() {
    int tokens = 70;
    int heads = 3;
    int headDim = 20;
    float[] frequencies = {1f, 0.3f, 0.01f, 0.002f};
    RopeTable table = new RopeTable(frequencies, 1.5f, 100);
    CpuTensor data = random(1, tokens, heads * 3 * headDim);
    float[] before = data.toArray();
    Heads keys = new Heads(data, headDim, 3L * heads * headDim, 3L * headDim, heads, headDim);
    int[] positions = new int[tokens];
    for (int t = 0; t < tokens; t++) {
      positions[t] = (t * 7) % 100;
    }
    device.rope(keys, table, positions, false);
    float[] after = data.toArray();
    for (int i = 0; i < before.length; i++) {
      int inHead = i % headDim;
      boolean isKey = i / headDim % 3 == 1;
      if (!isKey || inHead >= 8) {
        assertEquals(before[i], after[i]);
      } else if (inHead < 4) {
        int token = i / (heads * 3 * headDim);
        double angle = positions[token] * frequencies[inHead];
        double expected = 1.5 * (before[i] * Math.cos(angle) - before[i + 4] * Math.sin(angle));
        assertEquals(expected, after[i], 1e-5);
        expected = 1.5 * (before[i + 4] * Math.cos(angle) + before[i] * Math.sin(angle));
        assertEquals(expected, after[i + 4], 1e-5);
      }
    }
    device.rope(keys, table, positions, true);
    assertEquals(2.25 * before[headDim], data.toArray()[headDim], 1e-4);
    positions[3] = 100;
    assertThrows(IllegalArgumentException.class, () -> device.rope(keys, table, positions, false));
  }

  @Test
  void elementwiseOperationsOnManyStages() {
    int n = 100_003;
    CpuTensor x = random(1, n);
    CpuTensor y = random(2, n);
    float[] a = x.toArray();
    float[] b = y.toArray();
    device.axpy(0.5f, x, y);
    assertEquals(b[n - 1] + 0.5f * a[n - 1], y.toArray()[n - 1]);
    device.scale(y, 3);
    assertEquals(3 * (b[50_000] + 0.5f * a[50_000]), y.toArray()[50_000]);
    device.copy(x, y);
    assertArrayEquals(a, y.toArray());
    double squares = 0;
    for (float v : a) {
      squares += (double) v * v;
    }
    assertEquals(squares, device.sumOfSquares(x), 1e-5 * squares);
    device.fill(y, 7);
    assertEquals(7f, y.toArray()[n - 1]);
    assertThrows(IllegalArgumentException.class, () -> device.copy(x, device.allocate(3)));
  }

  @Test
  void activationsRunInPlace() {
    CpuTensor gate = random(1, 50_000);
    CpuTensor up = random(2, 50_000);
    CpuTensor y = poisoned(50_000);
    device.swiGlu(gate, up, y);
    CpuTensor dY = random(3, 50_000);
    float[] g = gate.toArray();
    float[] u = up.toArray();
    float[] d = dY.toArray();
    new PlainRowKernels().swiGluBackward(d, g, u, g.length);
    device.swiGluBackward(dY, gate, up, gate, up);
    assertArrayEquals(g, gate.toArray(), 1e-5f);
    assertArrayEquals(u, up.toArray(), 1e-5f);
  }

  @Test
  void embeddingGathersAndScatters() {
    CpuTensor table = random(1, 11, 5);
    int[] ids = {3, 0, 10, 3, 3};
    CpuTensor y = poisoned(5, 5);
    device.embedding(table, ids, y);
    float[] rows = table.toArray();
    float[] out = y.toArray();
    for (int i = 0; i < 25; i++) {
      assertEquals(rows[ids[i / 5] * 5 + i % 5], out[i]);
    }
    CpuTensor dTable = device.allocate(11, 5);
    device.embeddingBackward(y, ids, dTable);
    float[] d = dTable.toArray();
    assertEquals(3 * rows[3 * 5 + 2], d[3 * 5 + 2], 1e-6);
    assertEquals(rows[2], d[2]);
    assertEquals(0f, d[5]);
    int[] outside = {3, 11};
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> device.embedding(table, outside, y.rows(0, 2)));
    assertTrue(e.getMessage().contains("11"), e.getMessage());
  }

  @Test
  void crossEntropyAndItsGradient() {
    int n = 70;
    int vocabulary = 37;
    CpuTensor logits = random(1, n, vocabulary);
    device.scale(logits, 5);
    int[] targets = new int[n + 2];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = i % 5 == 0 ? Device.IGNORED : i % vocabulary;
    }
    CpuTensor lossTensor = poisoned(n + 2);
    float[] in = logits.toArray();
    device.crossEntropy(logits, targets, 2, 0, lossTensor);
    assertArrayEquals(in, logits.toArray());
    device.crossEntropy(logits, targets, 2, 0.25f, lossTensor);
    float[] losses = lossTensor.toArray();
    float[] gradient = logits.toArray();
    for (int i = 0; i < n; i++) {
      double sum = 0;
      for (int j = 0; j < vocabulary; j++) {
        sum += Math.exp(in[i * vocabulary + j]);
      }
      int target = targets[i + 2];
      double loss = target < 0 ? 0 : Math.log(sum) - in[i * vocabulary + target];
      assertEquals(loss, losses[i + 2], 1e-5 * (1 + loss));
      for (int j = 0; j < vocabulary; j++) {
        double p = Math.exp(in[i * vocabulary + j]) / sum - (j == target ? 1 : 0);
        assertEquals(target < 0 ? 0 : 0.25 * p, gradient[i * vocabulary + j], 1e-6);
      }
    }
    targets[2] = vocabulary;
    assertThrows(
        IllegalArgumentException.class,
        () -> device.crossEntropy(logits, targets, 2, 1, lossTensor));
  }

  @Test
  void dropoutDependsOnTheElementsNumberAlone() {
    CpuTensor ones = device.allocate(100_000);
    device.fill(ones, 1);
    CpuTensor y = poisoned(100_000);
    device.dropout(ones, 0.25f, 42, 1000, y);
    float[] all = y.toArray();
    int dropped = 0;
    for (float v : all) {
      assertTrue(v == 0 || Math.abs(v - 1 / 0.75f) < 1e-6);
      dropped += v == 0 ? 1 : 0;
    }
    assertEquals(25_000, dropped, 600);
    CpuTensor part = poisoned(500);
    device.dropout(ones.view(0, 500), 0.25f, 42, 1700, part);
    assertArrayEquals(Arrays.copyOfRange(all, 700, 1200), part.toArray());
  }

  @Test
  void adamWFollowsTheDefinition() {
    int n = 3000;
    CpuTensor p = random(1, n);
    CpuTensor m = device.allocate(n);
    CpuTensor v = device.allocate(n);
    double[] q = new double[n];
    double[] first = new double[n];
    double[] second = new double[n];
    float[] start = p.toArray();
    for (int i = 0; i < n; i++) {
      q[i] = start[i];
    }
    for (int step = 1; step <= 10; step++) {
      CpuTensor g = random(10 + step, n);
      float[] gradient = g.toArray();
      device.adamW(p, g, m, v, 0.5f, new AdamWStep(1e-2, 0.9, 0.999, 1e-8, 0.01, step));
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
    float[] out = p.toArray();
    for (int i = 0; i < n; i++) {
      assertEquals(q[i], out[i], 3e-6);
    }
  }

  @Test
  void resultsDoNotDependOnTheNumberOfThreads() {
    CpuTensor x = random(1, 500, 96);
    CpuTensor w = random(2, 96);
    CpuTensor dY = random(3, 500, 96);
    float[][] results = new float[2][];
    for (int run = 0; run < 2; run++) {
      try (CpuDevice other = new CpuDevice(run == 0 ? 1 : 3)) {
        CpuTensor y = other.allocate(500, 96);
        CpuTensor inverse = other.allocate(500);
        CpuTensor dX = other.allocate(500, 96);
        CpuTensor dW = other.allocate(96);
        other.rmsNorm(x, w, 1e-5f, y, inverse);
        other.rmsNormBackward(dY, x, w, inverse, dX, dW);
        double norm = other.sumOfSquares(dX);
        float[] all = Arrays.copyOf(dW.toArray(), 97);
        all[96] = (float) norm;
        results[run] = all;
      }
    }
    assertArrayEquals(results[0], results[1]);
  }

  @Test
  void aFailureInAWorkerReachesTheCallerAndTheDeviceGoesOn() {
    Consumer<CpuDevice> failing =
        d ->
            d.forEach(
                100,
                (item, scratch) -> {
                  if (item == 57) {
                    throw new IllegalStateException("item " + item);
                  }
                });
    assertThrows(IllegalStateException.class, () -> failing.accept(device));
    int[] seen = new int[100];
    device.forEach(100, (item, scratch) -> seen[item]++);
    assertTrue(Arrays.stream(seen).allMatch(count -> count == 1));
    assertThrows(IllegalArgumentException.class, () -> new CpuDevice(0));
  }
}
