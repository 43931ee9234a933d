package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.data.SequencePlan;
import org.sinklora.data.SequencePlan.Slice;
import org.sinklora.data.WeightedDraws;
import org.sinklora.data.WeightedDraws.Draw;

/**
 * The sequences of each step. Which ones follows from the seed, the weights of the data sets and
 * the step alone. They are fetched for several steps at a time, by one pass over each data set.
 */
final class SequenceFeed implements StepSequences {
  /** Tokens that are fetched at a time, 32 MiB. */
  private static final int FETCH_TOKENS = 8 << 20;

  private final DataMix mix;
  private final List<PlannedTokens> sets = new ArrayList<>();
  private final WeightedDraws draws;
  private final boolean packed;
  private final int batchSize;
  private final long steps;
  private final int stepsAtATime;
  private final int context;
  private long first;
  private List<Sequence> fetched = List.of();

  /**
   * @throws UserException if a data set has no sequences of the context's length
   */
  SequenceFeed(TrainingData data, TrainSettings settings) {
    this.mix = data.mix();
    this.batchSize = settings.optimizer().batchSize();
    this.steps = settings.optimizer().steps();
    this.stepsAtATime = (int) Math.max(1, FETCH_TOKENS / ((long) batchSize * settings.context()));
    this.context = settings.context();
    for (TokenDataSet set : data.sets()) {
      sets.add(planned(set, settings.seed()));
    }
    this.packed = sets.stream().anyMatch(PlannedTokens::packed);
    this.draws =
        new WeightedDraws(
            mix.sources().stream().mapToDouble(DataMix.Source::weight).toArray(), settings.seed());
  }

  private PlannedTokens planned(TokenDataSet set, long seed) {
    int number = sets.size();
    // Two sets, or one that is named twice, are not walked alike.
    long own = number == 0 ? seed : SequencePlan.key(seed, -1 - number);
    try {
      return new PlannedTokens(set, context, own);
    } catch (UserException | IllegalArgumentException e) {
      String location = mix.sources().get(number).location();
      throw mix.sources().size() == 1 ? e : new UserException(location + ": " + e.getMessage(), e);
    }
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
    String text = "Reading the sequences of steps %,d-%,d".formatted(step + 1, end);
    try (JobDescription job = JobDescription.of(text)) {
      fetched = read(step * batchSize, (int) ((end - step) * batchSize));
    }
    first = step;
  }

  /** Reads sequences of the run, in order. */
  private List<Sequence> read(long from, int count) {
    Draw[] drawn = new Draw[count];
    Arrays.setAll(drawn, i -> draws.draw(from + i));
    Sequence[] sequences = new Sequence[count];
    for (int set = 0; set < sets.size(); set++) {
      List<Slice> slices = new ArrayList<>();
      List<Long> firstPieces = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        if (drawn[i].set() == set) {
          slices.add(sets.get(set).slice(drawn[i].sequence()));
          firstPieces.add(firstPiece(from + i));
        }
      }
      if (!slices.isEmpty()) {
        var read = sets.get(set).read(slices, firstPieces).iterator();
        for (int i = 0; i < count; i++) {
          if (drawn[i].set() == set) {
            sequences[i] = read.next();
          }
        }
      }
    }
    return List.of(sequences);
  }

  /** Every piece of the run has a number of its own: a row has no more pieces than tokens. */
  private long firstPiece(long number) {
    return packed ? number * context : number;
  }

  /** Says of each data set what is not trained on, if there is something. */
  List<String> unused() {
    List<String> said = new ArrayList<>();
    for (int set = 0; set < sets.size(); set++) {
      sets.get(set).unused(mix.sources().get(set).location()).ifPresent(said::add);
    }
    return said;
  }

  /** What the whole run takes from each data set, as it stands in the JSON file. */
  ArrayNode shares() {
    ArrayNode shares = new JsonMapper().createArrayNode();
    long[] counts = draws.counts(steps * batchSize);
    for (int set = 0; set < counts.length; set++) {
      long tokens = 0;
      for (long sequence = 0; sequence < counts[set]; sequence++) {
        tokens += sets.get(set).slice(sequence).length();
      }
      DataMix.Source source = mix.sources().get(set);
      shares
          .addObject()
          .put("data", source.location())
          .put("weight", source.weight())
          .put("sequences", counts[set])
          .put("tokens", tokens);
    }
    return shares;
  }
}
