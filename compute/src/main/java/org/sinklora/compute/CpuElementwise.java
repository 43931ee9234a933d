package org.sinklora.compute;

import java.util.Arrays;

/** Operations whose result at an element depends on the inputs at that element alone. */
final class CpuElementwise {
  /** Elements staged at a time: a few such arrays stay in the first-level cache. */
  private static final int STAGE = 2048;

  /** Elements an item of the parallel loop covers. */
  private static final int ITEM = 16 * STAGE;

  private final CpuWorkers workers;
  private final RowKernels kernels;

  CpuElementwise(CpuWorkers workers, RowKernels kernels) {
    this.workers = workers;
    this.kernels = kernels;
  }

  /** What is done to a run of elements. */
  @FunctionalInterface
  private interface Stage {
    void run(long at, int count, Scratch scratch);
  }

  private void forEachStage(long size, Stage stage) {
    int items = Math.toIntExact((size + ITEM - 1) / ITEM);
    workers.forEach(
        items,
        (item, scratch) -> {
          long end = Math.min(size, (item + 1L) * ITEM);
          for (long at = (long) item * ITEM; at < end; at += STAGE) {
            stage.run(at, (int) Math.min(STAGE, end - at), scratch);
          }
        });
  }

  private static float[] read(CpuTensor x, long at, int count, Scratch scratch, int slot) {
    float[] staged = scratch.floats(slot, STAGE);
    x.read(at, staged, 0, count);
    return staged;
  }

  private static void sameSize(CpuTensor x, CpuTensor y) {
    if (x.size() != y.size()) {
      throw new IllegalArgumentException(x + " and " + y + " differ in size");
    }
  }

  void copy(CpuTensor x, CpuTensor y) {
    sameSize(x, y);
    forEachStage(x.size(), (at, n, scratch) -> y.write(at, read(x, at, n, scratch, 0), 0, n));
  }

  void fill(CpuTensor y, float value) {
    forEachStage(
        y.size(),
        (at, n, scratch) -> {
          float[] staged = scratch.floats(0, STAGE);
          Arrays.fill(staged, 0, n, value);
          y.write(at, staged, 0, n);
        });
  }

  void axpy(float alpha, CpuTensor x, CpuTensor y) {
    sameSize(x, y);
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] a = read(x, at, n, scratch, 0);
          float[] b = read(y, at, n, scratch, 1);
          for (int i = 0; i < n; i++) {
            b[i] += alpha * a[i];
          }
          y.write(at, b, 0, n);
        });
  }

  void scale(CpuTensor x, float alpha) {
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] a = read(x, at, n, scratch, 0);
          for (int i = 0; i < n; i++) {
            a[i] *= alpha;
          }
          x.write(at, a, 0, n);
        });
  }

  void swiGlu(CpuTensor gate, CpuTensor up, CpuTensor y) {
    sameSize(gate, up);
    sameSize(gate, y);
    forEachStage(
        y.size(),
        (at, n, scratch) -> {
          float[] g = read(gate, at, n, scratch, 0);
          kernels.swiGlu(g, read(up, at, n, scratch, 1), g, n);
          y.write(at, g, 0, n);
        });
  }

  void swiGluBackward(CpuTensor dY, CpuTensor gate, CpuTensor up, CpuTensor dGate, CpuTensor dUp) {
    sameSize(dY, gate);
    sameSize(dY, up);
    sameSize(dY, dGate);
    sameSize(dY, dUp);
    forEachStage(
        dY.size(),
        (at, n, scratch) -> {
          float[] g = read(gate, at, n, scratch, 0);
          float[] u = read(up, at, n, scratch, 1);
          kernels.swiGluBackward(read(dY, at, n, scratch, 2), g, u, n);
          dGate.write(at, g, 0, n);
          dUp.write(at, u, 0, n);
        });
  }

  void gelu(CpuTensor x, GeluKind kind, CpuTensor y) {
    sameSize(x, y);
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] a = read(x, at, n, scratch, 0);
          kernels.gelu(a, n, kind);
          y.write(at, a, 0, n);
        });
  }

  void geluBackward(CpuTensor dY, CpuTensor x, GeluKind kind, CpuTensor dX) {
    sameSize(dY, x);
    sameSize(dY, dX);
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] d = read(dY, at, n, scratch, 0);
          kernels.geluBackward(d, read(x, at, n, scratch, 1), n, kind);
          dX.write(at, d, 0, n);
        });
  }

  void dropout(CpuTensor x, float rate, long key, long firstElement, CpuTensor y) {
    sameSize(x, y);
    if (!(rate >= 0 && rate < 1)) {
      throw new IllegalArgumentException("A dropout rate lies in [0, 1), not " + rate);
    }
    float keep = 1 / (1 - rate);
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] a = read(x, at, n, scratch, 0);
          for (int i = 0; i < n; i++) {
            a[i] = uniform(key, firstElement + at + i) < rate ? 0 : a[i] * keep;
          }
          y.write(at, a, 0, n);
        });
  }

  /** A number in [0, 1) that looks random in {@code index}: the finalizer of SplitMix64. */
  private static float uniform(long key, long index) {
    long z = key + (index + 1) * 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return ((z ^ (z >>> 31)) >>> 40) * 0x1p-24f;
  }

  double sumOfSquares(CpuTensor x) {
    double[] partial = new double[Math.toIntExact((x.size() + ITEM - 1) / ITEM)];
    forEachStage(
        x.size(),
        (at, n, scratch) -> {
          float[] a = read(x, at, n, scratch, 0);
          partial[(int) (at / ITEM)] += kernels.dot(a, 0, a, 0, n);
        });
    double sum = 0;
    for (double part : partial) {
      sum += part;
    }
    return sum;
  }

  void adamW(
      CpuTensor parameter,
      CpuTensor gradient,
      CpuTensor first,
      CpuTensor second,
      float gradientScale,
      AdamWStep step) {
    sameSize(parameter, gradient);
    sameSize(parameter, first);
    sameSize(parameter, second);
    float decay = (float) (1 - step.learningRate() * step.weightDecay());
    float rate = (float) (step.learningRate() / step.firstCorrection());
    float root = (float) Math.sqrt(step.secondCorrection());
    float beta1 = (float) step.beta1();
    float rest1 = (float) (1 - step.beta1());
    float beta2 = (float) step.beta2();
    float rest2 = (float) (1 - step.beta2());
    float epsilon = (float) step.epsilon();
    forEachStage(
        parameter.size(),
        (at, n, scratch) -> {
          float[] p = read(parameter, at, n, scratch, 0);
          float[] g = read(gradient, at, n, scratch, 1);
          float[] m = read(first, at, n, scratch, 2);
          float[] v = read(second, at, n, scratch, 3);
          for (int i = 0; i < n; i++) {
            float d = g[i] * gradientScale;
            m[i] = beta1 * m[i] + rest1 * d;
            v[i] = beta2 * v[i] + rest2 * d * d;
            float deviation = (float) Math.sqrt(v[i]) / root + epsilon;
            p[i] = decay * p[i] - rate * m[i] / deviation;
          }
          parameter.write(at, p, 0, n);
          first.write(at, m, 0, n);
          second.write(at, v, 0, n);
        });
  }
}
