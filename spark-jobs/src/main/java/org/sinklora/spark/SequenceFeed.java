package org.sinklora.spark;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.data.RandomWindows;
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
  private final boolean packed;
  private long first;
  private List<int[]> fetched = List.of();

  SequenceFeed(TokenDataSet data, TrainSettings settings) {
    this.data = data;
    this.batchSize = settings.optimizer().batchSize();
    this.steps = settings.optimizer().steps();
    this.stepsAtATime = (int) Math.max(1, FETCH_TOKENS / ((long) batchSize * settings.context()));
    this.packed = data.info().layout().equals(DataSetInfo.PACKED);
    this.plan = plan(data, settings, packed);
  }

  private static SequencePlan plan(TokenDataSet data, TrainSettings settings, boolean packed) {
    int context = settings.context();
    if (!packed) {
      return new RandomWindows(data.lengths(), context, settings.seed());
    }
    if (data.info().length() != context) {
      throw new UserException(
          "The data set is packed in sequences of %,d tokens, but the context is %,d; pass --context %d or pack again"
              .formatted(data.info().length(), context, data.info().length()));
    }
    return new ShuffledRows(data.lengths().length, context, settings.seed());
  }

  @Override
  public List<Sequence> step(long step) {
    if (step < first || step >= first + fetched.size() / batchSize) {
      fetch(step);
    }
    List<Sequence> sequences = new ArrayList<>(batchSize);
    int at = Math.toIntExact((step - first) * batchSize);
    for (int i = 0; i < batchSize; i++) {
      sequences.add(
          new Sequence(step * batchSize + i, fetched.get(at + i), packed ? data.info().bos() : -1));
    }
    return sequences;
  }

  private void fetch(long step) {
    long end = Math.min(steps, step + stepsAtATime);
    List<SequencePlan.Slice> slices = new ArrayList<>();
    for (long sequence = step * batchSize; sequence < end * batchSize; sequence++) {
      slices.add(plan.slice(sequence));
    }
    fetched = data.read(slices);
    if (data.info().bos() >= 0) {
      // The model was trained on texts that begin so, wherever in a document they are from.
      fetched.forEach(tokens -> tokens[0] = data.info().bos());
    }
    first = step;
  }
}
