package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.sinklora.data.RandomWindows;
import org.sinklora.data.SequencePacker;
import org.sinklora.data.SequencePlan;
import org.sinklora.data.SequencePlan.Slice;
import org.sinklora.data.ShuffledRows;

/** A data set and the order in which its tokens become training sequences. */
final class PlannedTokens {
  private final TokenDataSet data;
  private final SequencePlan plan;
  private final int context;

  /**
   * @param context tokens of a sequence
   * @param seed of the order
   * @throws UserException if the data set has no sequences of that length
   */
  PlannedTokens(TokenDataSet data, int context, long seed) {
    this.data = data;
    this.context = context;
    this.plan = plan(data, context, seed);
  }

  private static SequencePlan plan(TokenDataSet data, int context, long seed) {
    DataSetInfo info = data.info();
    if (info.supervised()) {
      int longest = IntStream.of(data.lengths()).max().orElse(0);
      if (longest > context) {
        throw new UserException(
            "The longest row of the data set has %,d tokens, but the context is %,d; pass --context %d or prepare again with --pack %d"
                .formatted(longest, context, longest, context));
      }
      return new ShuffledRows(data.lengths(), seed);
    }
    if (!info.packed()) {
      return new RandomWindows(data.lengths(), context, seed);
    }
    if (info.length() != context) {
      throw new UserException(
          "The data set is packed in sequences of %,d tokens, but the context is %,d; pass --context %d or pack again"
              .formatted(info.length(), context, info.length()));
    }
    return new ShuffledRows(data.lengths(), seed);
  }

  /**
   * Says what is not trained on, since documents shorter than a sequence have no window; empty if
   * there are none.
   *
   * @param location of the data set
   */
  Optional<String> unused(String location) {
    int[] lengths = data.lengths();
    int[] usable = IntStream.of(lengths).filter(length -> length >= context).toArray();
    if (!(plan instanceof RandomWindows) || usable.length == lengths.length) {
      return Optional.empty();
    }
    return Optional.of(
        "Only %,d of the %,d documents of %s are trained on, %,d of %,d tokens: the others are shorter than the context of %,d tokens; 'prepare --pack %d' takes them too, or choose a shorter --context"
            .formatted(
                usable.length,
                lengths.length,
                location,
                IntStream.of(usable).asLongStream().sum(),
                IntStream.of(lengths).asLongStream().sum(),
                context,
                context));
  }

  /** Whether a sequence may consist of several documents. */
  boolean packed() {
    return data.info().packed();
  }

  /**
   * The tokens of one of its sequences.
   *
   * @param sequence counted from 0 among those of this data set
   */
  Slice slice(long sequence) {
    return plan.slice(sequence);
  }

  /**
   * Reads sequences.
   *
   * @param firstPieces of each, the number of its first document in the whole run
   */
  List<Sequence> read(List<Slice> slices, List<Long> firstPieces) {
    DataSetInfo info = data.info();
    List<Sequence> sequences = new ArrayList<>(slices.size());
    if (info.supervised()) {
      for (TokenDataSet.Examples row : data.readExamples(slices)) {
        sequences.add(
            new Sequence(
                firstPieces.get(sequences.size()),
                row.tokens().ids(),
                row.tokens().labels(),
                row.pieces()));
      }
      return sequences;
    }
    for (int[] tokens : data.read(slices)) {
      if (info.bos() >= 0) {
        // The model was trained on texts that begin so, wherever in a document they are from.
        tokens[0] = info.bos();
      }
      int[] pieces =
          info.packed() ? SequencePacker.pieces(tokens, info.bos()) : new int[] {tokens.length};
      sequences.add(new Sequence(firstPieces.get(sequences.size()), tokens, tokens, pieces));
    }
    return sequences;
  }
}
