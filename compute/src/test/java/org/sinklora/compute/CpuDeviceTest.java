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
import org.junit.jupiter.params.provider.ValueSource;

/** What the CPU does beyond {@link DeviceConformance}; gradients against differences, too. */
class CpuDeviceTest extends DeviceConformance {
  private final CpuDevice device = new CpuDevice(2);

  @Override
  protected Device device() {
    return device;
  }

  @Override
  protected double tolerance() {
    return float32Tolerance();
  }

  private CpuTensor tensor(float[] values, long... shape) {
    CpuTensor tensor = device.allocate(shape);
    device.upload(values, 0, tensor);
    return tensor;
  }

  private CpuTensor random(long seed, long... shape) {
    long size = Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    return tensor(new RandomFloats(seed).next((int) size), shape);
  }

  @Override
  protected CpuTensor poisoned(long... shape) {
    return (CpuTensor) super.poisoned(shape);
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
  void rmsNormAgainstDifferences(int n) {
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
  void layerNormAgainstDifferences(int n) {
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
