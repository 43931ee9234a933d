package org.sinklora.data;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * Training sequences as windows at random places of long documents. Which window a sequence is
 * follows from the seed and the sequence's number alone, so it is the same however the work is cut.
 */
public final class RandomWindows implements SequencePlan {
  private final int[] lengths;
  private final int[] eligible;
  private final int length;
  private final long seed;

  /**
   * @param lengths tokens of each document
   * @param length tokens of a window
   * @throws IllegalArgumentException if no document is that long
   */
  public RandomWindows(int[] lengths, int length, long seed) {
    this.lengths = lengths.clone();
    this.length = length;
    this.seed = seed;
    eligible =
        IntStream.range(0, lengths.length)
            .filter(document -> lengths[document] >= length)
            .toArray();
    if (eligible.length == 0) {
      throw new IllegalArgumentException(
          "No document has %,d tokens: the longest of %,d has %,d; choose a shorter context, or pack documents"
              .formatted(length, lengths.length, Arrays.stream(lengths).max().orElse(0)));
    }
  }

  /** Number of documents that are long enough. */
  public int eligibleDocuments() {
    return eligible.length;
  }

  @Override
  public Slice slice(long sequence) {
    SplittableRandom random = new SplittableRandom(SequencePlan.key(seed, sequence));
    int document = eligible[random.nextInt(eligible.length)];
    int start = random.nextInt(lengths[document] - length + 1);
    return new Slice(document, start, length);
  }
}
