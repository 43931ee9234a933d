package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.lora.ParameterRows;

class RoundSumTest {
  /** An embedding of 20 tokens, a matrix and two vectors. */
  private static final RowLayout LAYOUT =
      new RowLayout(
          List.of(
              new ParameterRows("a", 2, 6),
              new ParameterRows("embedding", 20, 8),
              new ParameterRows("b", 1, 3),
              new ParameterRows("c", 1, 5)));

  private static final int EMBEDDING = 12;
  private static final int SIZE = 180;

  /** Gradients with most rows of the embedding zero, others in each partition. */
  private static float[] gradients(int partition, boolean sparse) {
    Random random = new Random(partition);
    float[] gradients = new float[SIZE];
    for (int i = 0; i < SIZE; i++) {
      boolean token = i >= EMBEDDING && i < EMBEDDING + 160;
      int row = (i - EMBEDDING) / 8;
      boolean touched = !token || (row * 7 + partition) % 5 == 0;
      float value = (float) random.nextGaussian();
      gradients[i] = !sparse || touched ? value : 0;
      if (touched && i % 11 == 0) {
        gradients[i] = -0f;
      }
    }
    return gradients;
  }

  private static List<RoundSum> parts(int partitions, boolean sparse, Communication type) {
    List<RoundSum> parts = new ArrayList<>();
    for (int p = 0; p < partitions; p++) {
      parts.add(
          new RoundSum(
              p,
              List.of(RoundValues.of(LAYOUT, type, gradients(p, sparse), null)),
              new double[] {new Random(p).nextDouble(), p},
              new RoundSum.TaskCost(p, p)));
    }
    return parts;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 5, 7, 8, 13, 64, 100})
  void isTheSameBitsInWhateverOrderTheResultsArrive(int partitions) throws Exception {
    for (Communication type : Communication.values()) {
      RoundSum ordered = new RoundSum();
      parts(partitions, true, type).forEach(ordered::merge);
      Random random = new Random(partitions);
      for (int trial = 0; trial < 20; trial++) {
        List<RoundSum> sums = parts(partitions, true, type);
        Collections.shuffle(sums, random);
        while (sums.size() > 1) {
          int into = random.nextInt(sums.size() - 1);
          RoundSum right = sums.remove(sums.size() - 1);
          // Some travel, some do not.
          sums.get(into).merge(random.nextBoolean() ? travelled(right) : right);
        }
        RoundSum sum = new RoundSum().merge(sums.get(0));
        assertArrayEquals(bits(ordered.values(0)), bits(sum.values(0)));
        assertEquals(ordered.number(0), sum.number(0));
        assertEquals(ordered.number(1), sum.number(1));
        assertEquals(partitions - 1, sum.largestProcess());
        assertEquals((partitions - 1) / 1e9, sum.computeSeconds(partitions));
        assertEquals(partitions * (partitions - 1) / 2 / 1e9, sum.computeSeconds(1));
      }
    }
  }

  /** The same tree over arrays of which nothing is left out. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 6, 8, 21})
  void isBitForBitThatOfAllRows(int partitions) {
    List<float[]> level = new ArrayList<>();
    for (int p = 0; p < partitions; p++) {
      level.add(gradients(p, true));
    }
    RoundSum sum = new RoundSum();
    parts(partitions, true, Communication.FLOAT32).forEach(sum::merge);
    assertArrayEquals(bits(tree(level)), bits(sum.values(0)));
  }

  /** Pairs first; what is left over is added from the left, the largest first. */
  private static float[] tree(List<float[]> leaves) {
    int whole = Integer.highestOneBit(leaves.size());
    if (whole == leaves.size()) {
      return whole == 1
          ? leaves.get(0)
          : plus(tree(leaves.subList(0, whole / 2)), tree(leaves.subList(whole / 2, whole)));
    }
    float[] sum = null;
    int from = 0;
    for (int size = whole; size > 0; size /= 2) {
      if ((leaves.size() & size) != 0) {
        float[] part = tree(leaves.subList(from, from + size));
        sum = sum == null ? part : plus(sum, part);
        from += size;
      }
    }
    return sum;
  }

  private static float[] plus(float[] left, float[] right) {
    float[] sum = new float[left.length];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = left[i] + right[i];
    }
    return sum;
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 3, 8, 21})
  void isTheSum(int partitions) {
    double[] expected = new double[SIZE];
    for (int p = 0; p < partitions; p++) {
      float[] gradients = gradients(p, false);
      for (int i = 0; i < SIZE; i++) {
        expected[i] += gradients[i];
      }
    }
    RoundSum exact = new RoundSum();
    parts(partitions, false, Communication.FLOAT32).forEach(exact::merge);
    RoundSum rounded = new RoundSum();
    parts(partitions, false, Communication.BFLOAT16).forEach(rounded::merge);
    for (int i = 0; i < SIZE; i++) {
      assertEquals(expected[i], exact.values(0)[i], 1e-5);
      assertEquals(expected[i], rounded.values(0)[i], 0.02 * partitions);
    }
  }

  @Test
  void countsWhatTravelled() throws Exception {
    List<RoundSum> parts = parts(2, true, Communication.FLOAT32);
    long leaf =
        RoundValues.of(LAYOUT, Communication.FLOAT32, gradients(0, true), null).bytes()
            + 2 * Double.BYTES;
    RoundSum first = travelled(parts.get(0));
    assertEquals(leaf, first.bytes());
    RoundSum sum = first.merge(travelled(parts.get(1)));
    assertEquals(2 * leaf, sum.bytes());
    assertTrue(travelled(sum).bytes() > 2 * leaf, "a sum travels as well");
  }

  private static RoundSum travelled(RoundSum sum) throws Exception {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
      out.writeObject(sum);
    }
    try (ObjectInputStream in =
        new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
      return (RoundSum) in.readObject();
    }
  }

  private static int[] bits(float[] values) {
    int[] bits = new int[values.length];
    for (int i = 0; i < bits.length; i++) {
      bits[i] = Float.floatToRawIntBits(values[i]);
    }
    return bits;
  }
}
