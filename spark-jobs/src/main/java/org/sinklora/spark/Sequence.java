package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.sinklora.compute.Documents;
import org.sinklora.lora.TokenBatch;

/**
 * A training sequence on its way to a task.
 *
 * @param firstPiece number of its first document in the whole run, which decides its dropout
 * @param tokens its tokens
 * @param labels what each counts for as a target; the tokens themselves where all bear loss
 * @param pieces tokens of each document in it
 */
record Sequence(long firstPiece, int[] tokens, int[] labels, int[] pieces) implements Serializable {

  /** One document, all of whose tokens bear loss. */
  static Sequence of(long number, int[] tokens) {
    return new Sequence(number, tokens, tokens, new int[] {tokens.length});
  }

  /**
   * Sequences as batches.
   *
   * @param perPass how many are in a batch, but for the last
   */
  static List<TokenBatch> batches(List<Sequence> sequences, int perPass) {
    List<TokenBatch> batches = new ArrayList<>();
    for (int at = 0; at < sequences.size(); at += perPass) {
      batches.add(batch(sequences.subList(at, Math.min(sequences.size(), at + perPass))));
    }
    return batches;
  }

  /** Sequences of one document each as one batch; a single one of any kind. */
  static TokenBatch batch(List<Sequence> sequences) {
    if (sequences.size() > 1 && sequences.stream().anyMatch(s -> s.pieces.length > 1)) {
      throw new UserException(
          "Packed sequences go through the model one by one; leave out --sequences-per-pass");
    }
    return new TokenBatch(
        sequences.stream().flatMapToInt(s -> IntStream.of(s.tokens)).toArray(),
        sequences.stream().flatMapToInt(s -> IntStream.of(s.labels)).toArray(),
        Documents.ofLengths(sequences.stream().flatMapToInt(s -> IntStream.of(s.pieces)).toArray()),
        sequences.get(0).firstPiece);
  }

  /** As a batch in which documents do not see each other. */
  TokenBatch batch() {
    return new TokenBatch(tokens, labels, Documents.ofLengths(pieces), firstPiece);
  }
}
