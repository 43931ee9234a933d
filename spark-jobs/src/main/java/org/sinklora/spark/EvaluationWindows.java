package org.sinklora.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.data.SequencePlan.Slice;

/** The windows of the two perplexity protocols, as slices of a data set or of its stream. */
final class EvaluationWindows {
  /** The protocols of the perplexity. */
  enum Protocol {
    /** BOS and the first tokens of each document that is long enough. */
    DOCUMENTS,
    /** Windows at every stride of all documents one behind the other. */
    STREAM
  }

  private EvaluationWindows() {}

  /**
   * The documents that are long enough, each from its beginning.
   *
   * @param lengths tokens of each document
   * @param minimum tokens a document must have
   * @param limit how many documents at most, the first; 0 for all
   */
  static List<Slice> documents(int[] lengths, int length, int minimum, int limit) {
    List<Slice> slices = new ArrayList<>();
    for (int row = 0; row < lengths.length && (limit == 0 || slices.size() < limit); row++) {
      if (lengths[row] >= Math.max(length, minimum)) {
        slices.add(new Slice(row, 0, length));
      }
    }
    if (slices.isEmpty()) {
      throw new UserException(
          "No document has %,d tokens: the longest of %,d has %,d; evaluate shorter --lengths or prepare longer texts"
              .formatted(
                  Math.max(length, minimum),
                  lengths.length,
                  Arrays.stream(lengths).max().orElse(0)));
    }
    return slices;
  }

  /** Every document whole, to be joined to a stream. */
  static List<Slice> whole(int[] lengths) {
    List<Slice> slices = new ArrayList<>();
    for (int row = 0; row < lengths.length; row++) {
      slices.add(new Slice(row, 0, lengths[row]));
    }
    return slices;
  }
}
