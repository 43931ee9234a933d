package org.sinklora.data;

import java.util.SplittableRandom;
import java.util.function.IntUnaryOperator;

/**
 * Training sequences as whole rows of a packed data set, in an order that the seed decides; every
 * pass over the data has another one. Used by one thread at a time.
 */
public final class ShuffledRows implements SequencePlan {
  private final IntUnaryOperator length;
  private final long seed;
  private final int[] order;
  private long epoch = -1;

  /**
   * @param rows number of rows
   * @param length tokens of a row
   */
  public ShuffledRows(int rows, int length, long seed) {
    this(rows, row -> length, seed);
  }

  /**
   * @param lengths tokens of each row
   */
  public ShuffledRows(int[] lengths, long seed) {
    this(lengths.length, row -> lengths[row], seed);
  }

  private ShuffledRows(int rows, IntUnaryOperator length, long seed) {
    if (rows < 1) {
      throw new IllegalArgumentException(
          "The packed data set has no row; it needs more text than one sequence");
    }
    this.length = length;
    this.seed = seed;
    this.order = new int[rows];
  }

  @Override
  public Slice slice(long sequence) {
    shuffle(sequence / order.length);
    int row = order[(int) (sequence % order.length)];
    return new Slice(row, 0, length.applyAsInt(row));
  }

  private void shuffle(long wanted) {
    if (wanted == epoch) {
      return;
    }
    SplittableRandom random = new SplittableRandom(SequencePlan.key(seed, wanted));
    for (int i = 0; i < order.length; i++) {
      int j = random.nextInt(i + 1);
      order[i] = order[j];
      order[j] = i;
    }
    epoch = wanted;
  }
}
