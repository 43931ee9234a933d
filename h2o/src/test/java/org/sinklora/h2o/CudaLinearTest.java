package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;
import org.sinklora.h2o.CudaRowKernels.Mode;

/** The linears of a step against sums in double precision of what the GPU holds. */
@EnabledIf(GpuPresent.CONDITION)
class CudaLinearTest {
  private final Random random = new Random(11);
  private CudaDevice device;

  @AfterEach
  void close() {
    device.close();
  }

  private CudaTensor upload(ElementType type, float[] values, long... shape) {
    CudaTensor tensor = device.allocate(type, shape);
    device.upload(values, 0, tensor);
    return tensor;
  }

  private float[] normal(long size, float deviation) {
    float[] values = new float[Math.toIntExact(size)];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian() * deviation;
    }
    return values;
  }

  private float[] download(CudaTensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    device.download(tensor, values, 0);
    return values;
  }

  /** What a stored weight stands for. */
  private float[] values(CudaWeights weights, CudaMatrix matrix) {
    try (CudaBuffers room = new CudaBuffers(device)) {
      return download(weights.forProduct(matrix, room));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "FLOAT32, 1, 64, 172, 64", "FLOAT32, 5, 172, 33, 7", "FLOAT32, 19, 512, 100, 20",
    "BFLOAT16, 1, 64, 172, 64", "BFLOAT16, 3, 172, 33, 7", "BFLOAT16, 8, 4096, 256, 48",
    "BFLOAT16, 9, 11008, 40, 16", "BFLOAT16, 16, 520, 17, 1", "BFLOAT16, 21, 256, 100, 20",
    "INT8, 1, 4096, 64, 24", "INT8, 7, 688, 33, 5", "INT8, 16, 11008, 16, 16",
    "NF4, 1, 4096, 64, 24", "NF4, 6, 704, 33, 5", "NF4, 15, 11008, 16, 16",
  })
  void productsOfEveryStorage(WeightPrecision storage, int rows, int in, int out, int others) {
    boolean exact = storage == WeightPrecision.FLOAT32;
    device = CudaDevice.open(0, exact ? CudaPrecision.FLOAT32 : CudaPrecision.BFLOAT16);
    CudaRowKernels kernels = new CudaRowKernels(device);
    List<CudaTensor> own = new ArrayList<>();
    try (CudaWeights weights = new CudaWeights(device, storage)) {
      int[] outs = {out, others, others};
      List<CudaLinear> three =
          IntStream.range(0, 3)
              .mapToObj(
                  i -> {
                    CudaTensor w =
                        upload(ElementType.FLOAT32, weights(storage, outs[i], in), outs[i], in);
                    return new CudaLinear(weights.matrix(w, false, own), null, null);
                  })
              .toList();
      CudaTensor x = upload(kernels.type(), normal((long) rows * in, 1), rows, in);
      float[] xs = download(x);
      int columns = out + 2 * others;
      double[][] sums = new double[3][];
      for (int i = 0; i < 3; i++) {
        sums[i] = product(xs, rows, in, values(weights, three.get(i).weight()), outs[i]);
      }
      float[] addend = normal((long) rows * columns, 3);
      float[] before = normal((long) rows * columns, 2);
      CudaTensor more = upload(ElementType.FLOAT32, addend, rows, columns);
      double bound = Math.sqrt(in) * (exact ? 1e-5 : 1e-4);
      for (Mode mode : List.of(Mode.STORE, Mode.RESIDUAL)) {
        float[] start = mode == Mode.STORE ? poisoned(before.length) : before;
        CudaTensor y = upload(ElementType.FLOAT32, start, rows, columns);
        kernels.linear(three, mode, x, rows, more, y);
        float[] ys = download(y);
        for (int row = 0; row < rows; row++) {
          for (int c = 0; c < columns; c++) {
            int at = row * columns + c;
            double sum = addend[at] + at(sums, outs, row, c);
            double expected = mode == Mode.STORE ? sum : sum + before[at];
            assertEquals(expected, ys[at], bound, mode + ", row " + row + ", column " + c);
          }
        }
      }
      activations(kernels, three.subList(1, 3), x, rows, sums, others, exact);
    }
    own.forEach(CudaTensor::close);
  }

  /**
   * Random weights. What is stored in int8 is read back in bfloat16: there these have values that
   * both hold exactly.
   */
  private float[] weights(WeightPrecision storage, int out, int in) {
    float[] values = normal((long) out * in, 1);
    if (storage == WeightPrecision.INT8) {
      for (int i = 0; i < values.length; i++) {
        // The largest of a row decides its scale: 127 of them make it a power of two.
        double steps = i % in == 0 ? 127 : Math.max(-127, Math.min(127, Math.rint(32 * values[i])));
        values[i] = (float) (steps / 64);
      }
    }
    return values;
  }

  private static float[] poisoned(int size) {
    float[] values = new float[size];
    Arrays.fill(values, Float.NaN);
    return values;
  }

  private static double at(double[][] sums, int[] outs, int row, int column) {
    int i = 0;
    int c = column;
    while (c >= outs[i]) {
      c -= outs[i];
      i++;
    }
    return sums[i][row * outs[i] + c];
  }

  private static double[] product(float[] x, int rows, int in, float[] w, int out) {
    double[] y = new double[rows * out];
    for (int row = 0; row < rows; row++) {
      for (int o = 0; o < out; o++) {
        double sum = 0;
        for (int c = 0; c < in; c++) {
          sum += (double) x[row * in + c] * w[o * in + c];
        }
        y[row * out + o] = sum;
      }
    }
    return y;
  }

  private void activations(
      CudaRowKernels kernels,
      List<CudaLinear> two,
      CudaTensor x,
      int rows,
      double[][] sums,
      int out,
      boolean exact) {
    for (Mode mode : List.of(Mode.SWIGLU, Mode.GELU_ERF, Mode.GELU_TANH)) {
      List<CudaLinear> linears = mode == Mode.SWIGLU ? two : two.subList(0, 1);
      CudaTensor y = upload(kernels.type(), poisoned(rows * out), rows, out);
      kernels.linear(linears, mode, x, rows, null, y);
      float[] ys = download(y);
      for (int i = 0; i < ys.length; i++) {
        double a = sums[1][i];
        double expected =
            switch (mode) {
              case SWIGLU -> a / (1 + Math.exp(-a)) * sums[2][i];
              case GELU_TANH ->
                  0.5 * a * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (a + 0.044715 * a * a * a)));
              default -> 0.5 * a * (1 + erf(a / Math.sqrt(2)));
            };
        double bound = (exact ? 1e-4 : 1e-2) * Math.max(1, Math.abs(expected));
        assertEquals(expected, ys[i], bound, mode + ", element " + i);
      }
    }
  }

  /** The error function by its series and, far out, by its limit. */
  private static double erf(double x) {
    if (Math.abs(x) > 5) {
      return Math.signum(x);
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 200; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }
}
