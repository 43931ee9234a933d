package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GradientSumTest {
  private static final int SIZE = 50;

  private static List<GradientSum> parts(int partitions) {
    List<GradientSum> parts = new ArrayList<>();
    for (int p = 0; p < partitions; p++) {
      Random random = new Random(p);
      float[] gradients = new float[SIZE];
      for (int i = 0; i < SIZE; i++) {
        gradients[i] = (float) random.nextGaussian();
      }
      parts.add(new GradientSum(p, gradients, random.nextDouble(), p));
    }
    return parts;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7, 8, 13, 64, 100})
  void isTheSameBitsInWhateverOrderTheResultsArrive(int partitions) {
    GradientSum ordered = new GradientSum();
    parts(partitions).forEach(ordered::merge);
    Random random = new Random(partitions);
    for (int trial = 0; trial < 20; trial++) {
      List<GradientSum> sums = parts(partitions);
      Collections.shuffle(sums, random);
      while (sums.size() > 1) {
        int into = random.nextInt(sums.size() - 1);
        sums.get(into).merge(sums.remove(sums.size() - 1));
      }
      GradientSum sum = new GradientSum().merge(sums.get(0));
      assertArrayEquals(ordered.gradients(), sum.gradients());
      assertEquals(ordered.loss(), sum.loss());
      assertEquals(partitions - 1, sum.largestProcess());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8, 21})
  void isTheSum(int partitions) {
    GradientSum sum = new GradientSum();
    parts(partitions).forEach(sum::merge);
    double[] expected = new double[SIZE];
    for (GradientSum part : parts(partitions)) {
      float[] gradients = part.gradients();
      for (int i = 0; i < SIZE; i++) {
        expected[i] += gradients[i];
      }
    }
    for (int i = 0; i < SIZE; i++) {
      assertEquals(expected[i], sum.gradients()[i], 1e-5);
    }
  }
}
