package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/** The steps of a training run, from where the trainer stands to the end. */
final class TrainingLoop {
  private final Storage storage;
  private final TrainSettings settings;
  private final TrainTarget target;
  private final boolean records;

  /**
   * @param records whether this process writes metrics and checkpoints and shows the progress; of
   *     several ranks one does
   */
  TrainingLoop(Storage storage, TrainSettings settings, TrainTarget target, boolean records) {
    this.storage = storage;
    this.settings = settings;
    this.target = target;
    this.records = records;
  }

  /** The result as it stands in the JSON file, without what the place adds. */
  ObjectNode run(
      StepSequences feed, LoraTrainer trainer, TrainingSteps steps, Checkpoints checkpoints)
      throws IOException {
    long last = settings.optimizer().steps();
    long first = trainer.stepsDone();
    List<Double> losses = new ArrayList<>();
    long start = System.nanoTime();
    long trained = 0;
    try (TrainingReports reports =
        records && first < last ? new TrainingReports(storage, target, first, last) : null) {
      while (trainer.stepsDone() < last) {
        long begun = System.nanoTime();
        long done = trainer.stepsDone();
        List<List<Sequence>> sequences = new ArrayList<>();
        for (long step = done; step < endOfRound(done, last, steps); step++) {
          sequences.add(feed.step(step));
        }
        List<StepResult> round = round(steps, sequences, done);
        long tokens = sequences.stream().mapToLong(this::tokensOfStep).sum();
        double rate = tokens / ((System.nanoTime() - begun) / 1e9);
        trained += tokens;
        for (int i = 0; i < round.size(); i++) {
          StepResult step = round.get(i);
          losses.add(step.loss());
          if (records) {
            boolean ends = step.step() == trainer.stepsDone();
            reports.add(
                step,
                tokensOfStep(sequences.get(i)),
                rate,
                steps.largestProcess(),
                ends ? steps.cost() : null);
          }
        }
        if (records && isCheckpointDue(done, trainer.stepsDone(), last)) {
          checkpoints.save(trainer, steps);
        }
      }
      if (records && first < last) {
        checkpoints.save(trainer, steps);
      }
    }
    ObjectNode result = new JsonMapper().createObjectNode();
    result.put("adapter", target.adapter());
    result.put("steps", last);
    result.put("resumed_at", first);
    double seconds = (System.nanoTime() - start) / 1e9;
    result.put("seconds", seconds);
    result.put("tokens_per_second", trained / seconds);
    result.set("losses", new JsonMapper().valueToTree(losses));
    return result;
  }

  /** Rounds begin at multiples of their steps, wherever a run was taken up again. */
  private static long endOfRound(long done, long last, TrainingSteps steps) {
    return Math.min(last, (done / steps.stepsOfRound() + 1) * steps.stepsOfRound());
  }

  private List<StepResult> round(TrainingSteps steps, List<List<Sequence>> sequences, long done) {
    long all = settings.optimizer().steps();
    String text =
        sequences.size() == 1
            ? "Training step %,d of %,d".formatted(done + 1, all)
            : "Training steps %,d-%,d of %,d".formatted(done + 1, done + sequences.size(), all);
    try (JobDescription job = JobDescription.of(text)) {
      return steps.round(sequences);
    }
  }

  /**
   * A checkpoint is of the end of a round, the first one at or behind the step that asks for it.
   */
  private boolean isCheckpointDue(long before, long done, long last) {
    int every = target.checkpointEvery();
    return done < last && done / every > before / every;
  }

  /** Of all ranks: a rank that has a share of the sequences has that share of the tokens. */
  private long tokensOfStep(List<Sequence> sequences) {
    long own = sequences.stream().mapToLong(sequence -> sequence.tokens().length).sum();
    return own * settings.optimizer().batchSize() / sequences.size();
  }
}
