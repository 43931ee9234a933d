package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.data.SequencePacker;
import org.sinklora.lora.TokenBatch;

/**
 * A training sequence on its way to a task.
 *
 * @param number of the sequence in the whole run
 * @param tokens its tokens
 * @param boundary the token that begins each of several documents in it; −1 if it is one document
 */
record Sequence(long number, int[] tokens, int boundary) implements Serializable {

  /** Sequences of one document each as one batch; a single one of any kind. */
  static TokenBatch batch(List<Sequence> sequences) {
    Sequence first = sequences.get(0);
    if (sequences.size() == 1) {
      return first.batch();
    }
    if (first.boundary >= 0) {
      throw new UserException(
          "Packed sequences go through the model one by one; leave out --sequences-per-pass");
    }
    return TokenBatch.of(sequences.stream().map(Sequence::tokens).toList(), first.number);
  }

  /** As a batch in which documents do not see each other. */
  TokenBatch batch() {
    if (boundary < 0) {
      return TokenBatch.of(List.of(tokens), number);
    }
    List<int[]> pieces = new ArrayList<>();
    int start = 0;
    for (int length : SequencePacker.pieces(tokens, boundary)) {
      pieces.add(Arrays.copyOfRange(tokens, start, start + length));
      start += length;
    }
    // Every piece of the run has a number of its own, which decides its dropout.
    return TokenBatch.of(pieces, number * tokens.length);
  }
}
