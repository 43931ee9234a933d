package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.sinklora.sfattn.Closeness.assertClose;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The vector kernels against their plain twins. */
class TileKernelsTest {
  private static final int TILE = TileKernels.KEYS * TileKernels.QUERIES;

  private final TileKernels plain = new PlainTileKernels();
  private final TileKernels vector = new VectorTileKernels();
  private final Random random = new Random(41);

  @ParameterizedTest
  @CsvSource({
    "64, 64, 32",
    "64, 32, 64",
    "1, 1, 1",
    "7, 48, 3",
    "5, 16, 64",
    "63, 40, 61",
    "4, 80, 20",
    "33, 112, 9"
  })
  void products(int rows, int columns, int depth) {
    int width = vector.padded(columns);
    int rowOfB = width + 3;
    int rowOfC = width + 5;
    float[] a = Batch.gaussians(random, 2 + rows * (depth + 1));
    float[] transposed = new float[2 + depth * (rows + 1)];
    for (int row = 0; row < rows; row++) {
      for (int d = 0; d < depth; d++) {
        transposed[2 + d * (rows + 1) + row] = a[2 + row * (depth + 1) + d];
      }
    }
    float[] b = Batch.gaussians(random, 1 + depth * rowOfB);
    float[] c = Batch.gaussians(random, 4 + rows * rowOfC);
    float[] expected = c.clone();
    float[] actual = c.clone();
    plain.product(a, 2, depth + 1, 1, b, 1, rowOfB, expected, 4, rowOfC, rows, width, depth);
    vector.product(a, 2, depth + 1, 1, b, 1, rowOfB, actual, 4, rowOfC, rows, width, depth);
    assertClose("product", expected, actual, 1e-6);
    float[] other = c.clone();
    vector.product(transposed, 2, 1, rows + 1, b, 1, rowOfB, other, 4, rowOfC, rows, width, depth);
    assertArrayEquals(actual, other, "A read transposed");
    for (int row = 0; row < rows; row++) {
      int behind = 4 + row * rowOfC + width;
      assertArrayEquals(
          Arrays.copyOfRange(c, behind, Math.min(c.length, behind + 5)),
          Arrays.copyOfRange(actual, behind, Math.min(c.length, behind + 5)),
          "elements between the rows");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 7, 31, 64})
  void softmax(int rows) {
    for (int width = vector.lanes(); width <= TileKernels.QUERIES; width += vector.lanes()) {
      float[][] expected = softmaxState();
      float[][] actual = copy(expected);
      for (int step = 0; step < 3; step++) {
        float[] scores = Batch.gaussians(random, TILE);
        scores[0] = TileKernels.MASKED;
        scores[(rows - 1) * TileKernels.QUERIES + 1] = 3 + step;
        float[] expectedScores = scores.clone();
        boolean shrunk =
            plain.onlineSoftmax(expectedScores, rows, width, expected[0], expected[1], expected[2]);
        assertEquals(
            shrunk, vector.onlineSoftmax(scores, rows, width, actual[0], actual[1], actual[2]));
        assertClose("weights", expectedScores, scores, 1e-6);
        for (int i = 0; i < 3; i++) {
          assertClose("state " + i, expected[i], actual[i], 1e-6);
        }
      }
    }
  }

  private static float[][] softmaxState() {
    float[][] state = new float[3][TileKernels.QUERIES];
    Arrays.fill(state[0], TileKernels.MASKED);
    return state;
  }

  private static float[][] copy(float[][] arrays) {
    float[][] copy = new float[arrays.length][];
    for (int i = 0; i < copy.length; i++) {
      copy[i] = arrays[i].clone();
    }
    return copy;
  }

  @Test
  void anUnchangedMaximumNeedsNoRescaling() {
    for (TileKernels kernels : new TileKernels[] {plain, vector}) {
      float[][] state = softmaxState();
      int width = TileKernels.QUERIES;
      assertTrue(kernels.onlineSoftmax(new float[TILE], 4, width, state[0], state[1], state[2]));
      float[] lower = new float[TILE];
      Arrays.fill(lower, -1f);
      assertEquals(false, kernels.onlineSoftmax(lower, 4, width, state[0], state[1], state[2]));
      assertEquals(6f, state[1][0]);
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 64})
  void elementwise(int rows) {
    for (int width = vector.lanes(); width <= TileKernels.QUERIES; width += vector.lanes()) {
      float[] factors = Batch.gaussians(random, TileKernels.QUERIES);
      float[] x = Batch.gaussians(random, TILE);
      float[] y = Batch.gaussians(random, TILE);
      x[0] = TileKernels.MASKED;

      float[] expected = y.clone();
      float[] actual = y.clone();
      plain.scaleColumns(expected, rows, width, factors);
      vector.scaleColumns(actual, rows, width, factors);
      assertArrayEquals(expected, actual);

      expected = x.clone();
      actual = x.clone();
      plain.probabilities(expected, rows, width, factors);
      vector.probabilities(actual, rows, width, factors);
      assertEquals(0f, actual[0]);
      assertClose("probabilities", strip(expected), strip(actual), 1e-6);

      expected = y.clone();
      actual = y.clone();
      plain.softmaxBackward(x, expected, rows, width, factors);
      vector.softmaxBackward(x, actual, rows, width, factors);
      assertClose("softmaxBackward", expected, actual, 1e-6);
    }
  }

  /** Without the element whose untouched copies would dwarf the others. */
  private static float[] strip(float[] values) {
    return Arrays.copyOfRange(values, 1, values.length);
  }
}
