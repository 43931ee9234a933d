package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.sinklora.data.RandomWindows;
import org.sinklora.data.SequencePacker;
import org.sinklora.data.SequencePlan;
import org.sinklora.data.ShuffledRows;

/**
 * The sequences of each step. Which ones follows from the seed and the step alone. They are fetched
 * for several steps at a time, by one pass over the data set.
 */
final class SequenceFeed implements StepSequences {
  /** Tokens that are fetched at a time, 32 MiB. */
  private static final int FETCH_TOKENS = 8 << 20;

  private final TokenDataSet data;
  private final SequencePlan plan;
  private final int batchSize;
  private final long steps;
  private final int stepsAtATime;
  private final int context;
  private long first;
  private List<Sequence> fetched = List.of();

  SequenceFeed(TokenDataSet data, TrainSettings settings) {
    this.data = data;
    this.batchSize = settings.optimizer().batchSize();
    this.steps = settings.optimizer().steps();
    this.stepsAtATime = (int) Math.max(1, FETCH_TOKENS / ((long) batchSize * settings.context()));
    this.context = settings.context();
    this.plan = plan(data, settings);
  }

  private static SequencePlan plan(TokenDataSet data, TrainSettings settings) {
    int context = settings.context();
    DataSetInfo info = data.info();
    if (info.supervised()) {
      int longest = IntStream.of(data.lengths()).max().orElse(0);
      if (longest > context) {
        throw new UserException(
            "The longest row of the data set has %,d tokens, but the context is %,d; pass --context %d or prepare again with --pack %d"
                .formatted(longest, context, longest, context));
      }
      return new ShuffledRows(data.lengths(), settings.seed());
    }
    if (!info.packed()) {
      return new RandomWindows(data.lengths(), context, settings.seed());
    }
    if (info.length() != context) {
      throw new UserException(
          "The data set is packed in sequences of %,d tokens, but the context is %,d; pass --context %d or pack again"
              .formatted(info.length(), context, info.length()));
    }
    return new ShuffledRows(data.lengths().length, context, settings.seed());
  }

  @Override
  public List<Sequence> step(long step) {
    if (step < first || step >= first + fetched.size() / batchSize) {
      fetch(step);
    }
    int at = Math.toIntExact((step - first) * batchSize);
    return List.copyOf(fetched.subList(at, at + batchSize));
  }

  private void fetch(long step) {
    long end = Math.min(steps, step + stepsAtATime);
    List<SequencePlan.Slice> slices = new ArrayList<>();
    for (long sequence = step * batchSize; sequence < end * batchSize; sequence++) {
      slices.add(plan.slice(sequence));
    }
    String text = "Reading the sequences of steps %,d-%,d".formatted(step + 1, end);
    try (JobDescription job = JobDescription.of(text)) {
      fetched = read(slices, step * batchSize);
    }
    first = step;
  }

  private List<Sequence> read(List<SequencePlan.Slice> slices, long firstNumber) {
    DataSetInfo info = data.info();
    List<Sequence> sequences = new ArrayList<>(slices.size());
    if (info.supervised()) {
      for (TokenDataSet.Examples row : data.readExamples(slices)) {
        sequences.add(
            new Sequence(
                firstPiece(firstNumber + sequences.size()),
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
      sequences.add(
          new Sequence(firstPiece(firstNumber + sequences.size()), tokens, tokens, pieces));
    }
    return sequences;
  }

  /** Every piece of the run has a number of its own: a row has no more pieces than tokens. */
  private long firstPiece(long number) {
    return data.info().packed() ? number * context : number;
  }
}
