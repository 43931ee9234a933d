package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.sinklora.compute.VectorMath;

/** The vector kernels against their plain twins on fresh random input, in all odd sizes. */
class KernelTwinsTest {
  private static final int LANES = VectorMath.SPECIES.length();

  private final long seed = new Random().nextLong();
  private final Random random = new Random(seed);

  private float[] floats(int n) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  @Test
  void cacheKernels() {
    for (int queries = 1; queries <= 5; queries++) {
      for (int dim : new int[] {1, 5, 16, 32, 64, 80, 128}) {
        int width = (dim + LANES - 1) / LANES * LANES;
        float[] q = floats(3 + queries * (dim + 2));
        float[] keys = floats(7 + dim * 64);
        float[] weights = floats(5 + queries * 70);
        float[] values = floats(9 + 64 * width);
        int slots = 1 + random.nextInt(64);
        float[] start = floats(queries * width);
        float[] expected = new float[2 + queries * 66];
        float[] actual = expected.clone();
        float[] magnitude = expected.clone();
        PlainCacheKernels.INSTANCE.scores(q, 3, dim + 2, queries, keys, 7, dim, expected, 2, 66);
        VectorCacheKernels.INSTANCE.scores(q, 3, dim + 2, queries, keys, 7, dim, actual, 2, 66);
        PlainCacheKernels.INSTANCE.scores(
            absolute(q), 3, dim + 2, queries, absolute(keys), 7, dim, magnitude, 2, 66);
        assertSumsEqual(expected, actual, dim, magnitude);
        float[] sums = start.clone();
        float[] sumMagnitude = absolute(start);
        PlainCacheKernels.INSTANCE.values(weights, 5, 70, queries, values, 9, width, slots, sums);
        VectorCacheKernels.INSTANCE.values(weights, 5, 70, queries, values, 9, width, slots, start);
        PlainCacheKernels.INSTANCE.values(
            absolute(weights), 5, 70, queries, absolute(values), 9, width, slots, sumMagnitude);
        assertSumsEqual(sums, start, slots + 1, sumMagnitude);
      }
    }
  }

  private static float[] absolute(float[] values) {
    float[] absolute = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      absolute[i] = Math.abs(values[i]);
    }
    return absolute;
  }

  private static float largest(float[] values) {
    float largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  /** Both are rounded, so they may be apart by twice what one may be from the exact sum. */
  private void assertSumsEqual(float[] plain, float[] fast, int terms, float[] magnitude) {
    for (int i = 0; i < plain.length; i++) {
      double bound = 2 * Rounding.ofSum(terms, magnitude[i]);
      assertEquals(plain[i], fast[i], bound, "seed " + seed + ", element " + i);
    }
  }

  @Test
  void widening() {
    short[] halves = new short[500];
    byte[] bytes = new byte[64 * 33];
    for (int i = 0; i < halves.length; i++) {
      halves[i] = (short) (random.nextInt() & 0xbfff);
    }
    random.nextBytes(bytes);
    for (int n : new int[] {0, 1, 15, 16, 63, 64, 300}) {
      float[] expected = new float[n];
      float[] actual = new float[n];
      PlainWidening.INSTANCE.bfloat(halves, 11, expected, n);
      VectorWidening.INSTANCE.bfloat(halves, 11, actual, n);
      assertArrayEquals(expected, actual, "seed " + seed);
    }
    float[] scales = floats(80);
    float[] expected = new float[64 * 32];
    float[] actual = new float[64 * 32];
    PlainWidening.INSTANCE.columnScaled(bytes, 3, scales, 4, expected, 31);
    VectorWidening.INSTANCE.columnScaled(bytes, 3, scales, 4, actual, 31);
    assertArrayEquals(expected, actual, "seed " + seed);
    Arrays.fill(expected, 0);
    Arrays.fill(actual, 0);
    PlainWidening.INSTANCE.rowScaled(bytes, 3, scales, 4, expected, 60, 2 * LANES);
    VectorWidening.INSTANCE.rowScaled(bytes, 3, scales, 4, actual, 60, 2 * LANES);
    assertArrayEquals(expected, actual, "seed " + seed);
  }

  @Test
  void rotation() {
    int pairs = 12;
    int length = 300;
    float[] cos = floats(pairs * length);
    float[] sin = floats(pairs * length);
    float[] keys = floats(5 + 2 * pairs * 64);
    int[] ranks = random.ints(70, 0, length).toArray();
    for (int slots : new int[] {1, 16, 17, 63, 64}) {
      float[] expected = new float[2 * pairs * 64];
      float[] actual = new float[2 * pairs * 64];
      PlainPanelRotation.INSTANCE.rotate(
          keys, 5, pairs, cos, sin, length, ranks, 6, slots, expected);
      VectorPanelRotation.INSTANCE.rotate(
          keys, 5, pairs, cos, sin, length, ranks, 6, slots, actual);
      float[] magnitude = new float[expected.length];
      Arrays.fill(magnitude, largest(keys) * (largest(cos) + largest(sin)));
      assertSumsEqual(expected, actual, 2, magnitude);
    }
  }

  /** C2 boxes vectors where a method grows too large: ten times slower, and it allocates. */
  @Test
  void compiledKernelsAllocateNothing() {
    float[] q = floats(64);
    float[] keys = floats(64 * 32);
    float[] values = floats(64 * 32);
    float[] scores = new float[128];
    float[] out = new float[128];
    short[] halves = new short[64 * 32];
    byte[] bytes = new byte[64 * 32];
    int[] ranks = new int[64];
    Runnable all =
        () -> {
          VectorCacheKernels.INSTANCE.scores(q, 0, 32, 2, keys, 0, 32, scores, 0, 64);
          VectorCacheKernels.INSTANCE.scores(q, 0, 32, 1, keys, 0, 32, scores, 0, 64);
          VectorCacheKernels.INSTANCE.values(scores, 0, 64, 2, values, 0, 32, 63, out);
          VectorCacheKernels.INSTANCE.values(scores, 0, 64, 1, values, 0, 32, 63, out);
          VectorWidening.INSTANCE.bfloat(halves, 0, keys, 2048);
          VectorWidening.INSTANCE.columnScaled(bytes, 0, q, 0, keys, 32);
          VectorWidening.INSTANCE.rowScaled(bytes, 0, q, 0, values, 64, 32);
          VectorPanelRotation.INSTANCE.rotate(keys, 0, 16, keys, keys, 1, ranks, 0, 64, values);
        };
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long least = Long.MAX_VALUE;
    for (int round = 0; round < 30 && least > 0; round++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      for (int i = 0; i < 2_000; i++) {
        all.run();
      }
      least = Math.min(least, threads.getCurrentThreadAllocatedBytes() - before);
    }
    assertTrue(least < 2_000, least + " bytes in 2,000 calls");
  }
}
