package org.sinklora.data;

/** Which tokens each sequence of a training run consists of. */
public interface SequencePlan {

  /**
   * A run of tokens of one row of a data set.
   *
   * @param row number of the row
   * @param start first token
   * @param length number of tokens
   */
  record Slice(int row, int start, int length) {}

  /** The tokens of a sequence; sequences are numbered over the whole run. */
  Slice slice(long sequence);

  /** A seed of its own for each part of what {@code seed} decides. */
  static long key(long seed, long part) {
    long z = seed * 0x9E3779B97F4A7C15L + part;
    z = (z ^ (z >>> 32)) * 0xD6E8FEB86659FD93L;
    return z ^ (z >>> 32);
  }
}
