package org.sinklora.compute;

import java.util.SplittableRandom;

/** Random input of tests; every seed is a new case. */
public final class RandomFloats {
  private final SplittableRandom random;

  public RandomFloats(long seed) {
    this.random = new SplittableRandom(seed);
  }

  /** Gaussian numbers of the given deviation. */
  public float[] next(int n, double deviation) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (deviation * random.nextGaussian());
    }
    return values;
  }

  public float[] next(int n) {
    return next(n, 1);
  }
}
