package org.sinklora.data;

import java.util.SplittableRandom;

/**
 * Training sequences as whole rows of a packed data set, in an order that the seed decides; every
 * pass over the data has another one. Used by one thread at a time.
 */
public final class ShuffledRows implements SequencePlan {
  private final int[] lengths;
  private final long seed;
  private final int[] order;
  private long epoch = -1;

  /**
   * @param lengths tokens of each row
   */
  public ShuffledRows(int[] lengths, long seed) {
    if (lengths.length < 1) {
      throw new IllegalArgumentException("The data set has no row; it needs more text");
    }
    this.lengths = lengths.clone();
    this.seed = seed;
    this.order = new int[lengths.length];
  }

  @Override
  public Slice slice(long sequence) {
    shuffle(sequence / order.length);
    int row = order[(int) (sequence % order.length)];
    return new Slice(row, 0, lengths[row]);
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
