package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Scratch;
import org.sinklora.compute.Tensor;

/** Packed weights against plain loops over what they were packed from. */
class MatrixTest {
  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);

  private float[] floats(int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /**
   * @param bound largest rounding of a weight
   */
  @ParameterizedTest
  @CsvSource({"FLOAT32, 0", "BFLOAT16, 0.02", "INT8, 0.03"})
  void productsAndRows(WeightPrecision precision, float bound) {
    try (CpuDevice device = new CpuDevice(1)) {
      for (int[] shape : new int[][] {{1, 1}, {64, 7}, {65, 300}, {200, 513}}) {
        int out = shape[0];
        int in = shape[1];
        float[] weights = floats(out * in);
        Tensor tensor = device.allocate(out, in);
        device.upload(weights, 0, tensor);
        Matrix matrix = Matrix.of(new WeightRows(tensor, null), precision);
        float[] stored = new float[out * in];
        for (int row = 0; row < out; row++) {
          matrix.row(row, stored, row * in);
        }
        assertArrayEquals(weights, stored, bound, "seed " + seed);
        for (int n : new int[] {1, 3, 9}) {
          check(matrix, stored, n);
        }
        tensor.close();
      }
    }
  }

  private void check(Matrix matrix, float[] weights, int n) {
    int out = matrix.out();
    int in = matrix.in();
    int xRow = in + 3;
    int yRow = Matrix.padded(out) + 16;
    float[] x = floats(5 + n * xRow);
    float[] y = floats(2 + n * yRow);
    float[] start = y.clone();
    int middle = matrix.panels() / 2;
    Scratch scratch = new Scratch();
    matrix.multiply(x, 5, xRow, n, 0, middle, y, 2, yRow, scratch);
    matrix.multiply(x, 5, xRow, n, middle, matrix.panels(), y, 2, yRow, scratch);
    for (int i = 0; i < n; i++) {
      for (int r = 0; r < out; r++) {
        double sum = start[2 + i * yRow + r];
        double magnitude = Math.abs(sum);
        for (int c = 0; c < in; c++) {
          double term = (double) weights[r * in + c] * x[5 + i * xRow + c];
          sum += term;
          magnitude += Math.abs(term);
        }
        double bound = Rounding.ofSum(in + 1, magnitude);
        assertEquals(sum, y[2 + i * yRow + r], bound, "seed " + seed);
      }
    }
  }
}
