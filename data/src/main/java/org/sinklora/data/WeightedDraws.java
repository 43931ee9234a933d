package org.sinklora.data;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.DoubleStream;

/**
 * From which of several data sets each sequence of a run comes. It follows from the weights, the
 * seed and the sequence's number alone. What comes from one set is counted without gaps, so that
 * each is walked by its own {@link SequencePlan}. Used by one thread at a time.
 */
public final class WeightedDraws {
  private final double[] shares;
  private final long seed;

  /** How many of the sequences before {@link #next} came from each set. */
  private final long[] before;

  private long next;

  /**
   * A sequence's place.
   *
   * @param set number of the data set
   * @param sequence its number among the sequences from that set
   */
  public record Draw(int set, long sequence) {}

  /**
   * @param weights of the sets; only their ratios count
   * @throws IllegalArgumentException if a weight is no positive number
   */
  public WeightedDraws(double[] weights, long seed) {
    double sum = DoubleStream.of(weights).sum();
    for (double weight : weights) {
      if (!(weight > 0) || sum == Double.POSITIVE_INFINITY) {
        throw new IllegalArgumentException(
            "The weights are %s; each has to be a number above 0"
                .formatted(Arrays.toString(weights)));
      }
    }
    this.shares = DoubleStream.of(weights).map(weight -> weight / sum).toArray();
    // Its own draws: those of the plans begin with the same numbers.
    this.seed = SequencePlan.key(seed, -1);
    this.before = new long[weights.length];
  }

  /** Where a sequence comes from; they are numbered over the whole run. */
  public Draw draw(long sequence) {
    countTo(sequence);
    int set = set(sequence);
    return new Draw(set, before[set]);
  }

  /** How many of the first sequences of a run come from each set. */
  public long[] counts(long sequences) {
    countTo(sequences);
    return before.clone();
  }

  private void countTo(long sequence) {
    if (sequence < next) {
      Arrays.fill(before, 0);
      next = 0;
    }
    for (; next < sequence; next++) {
      before[set(next)]++;
    }
  }

  private int set(long sequence) {
    double drawn = new SplittableRandom(SequencePlan.key(seed, sequence)).nextDouble();
    int set = 0;
    while (set < shares.length - 1 && drawn >= shares[set]) {
      drawn -= shares[set++];
    }
    return set;
  }
}
