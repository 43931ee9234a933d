package org.sinklora.compute;

/**
 * 4-bit NormalFloat, the data type of QLoRA (arXiv 2305.14314): the 16 values are quantiles of a
 * normal distribution between -1 and 1. {@link #BLOCK} neighbours share their largest magnitude as
 * scale; two codes make a byte, the first in its upper half.
 */
public final class NormalFloat4 {
  /** Numbers that share a scale. */
  public static final int BLOCK = 64;

  private static final float[] VALUES = {
    -1.0f,
    -0.6961928009986877f,
    -0.5250730514526367f,
    -0.39491748809814453f,
    -0.28444138169288635f,
    -0.18477343022823334f,
    -0.09105003625154495f,
    0.0f,
    0.07958029955625534f,
    0.16093020141124725f,
    0.24611230194568634f,
    0.33791524171829224f,
    0.44070982933044434f,
    0.5626170039176941f,
    0.7229568362236023f,
    1.0f
  };

  private NormalFloat4() {}

  /** The value of a code. */
  static float value(int code) {
    return VALUES[code];
  }

  /** The code of the value that is nearest to x, of two as near the lower. */
  static int nearest(float x) {
    int low = 0;
    int high = VALUES.length - 1;
    while (low < high) {
      int middle = (low + high) >>> 1;
      if (x - VALUES[middle] > VALUES[middle + 1] - x) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Bytes of so many numbers, float32 scales included. */
  public static long bytes(long elements) {
    return elements / 2 + elements / BLOCK * Float.BYTES;
  }

  /**
   * Checks that a matrix can be stored so.
   *
   * @throws IllegalArgumentException if its rows are not whole blocks
   */
  public static void check(Tensor matrix) {
    if (matrix.shape().length != 2 || matrix.dim(1) % BLOCK != 0) {
      throw new IllegalArgumentException(
          "%s is no matrix with rows of whole blocks of %d: it cannot be stored in 4 bits"
              .formatted(matrix, BLOCK));
    }
  }
}
