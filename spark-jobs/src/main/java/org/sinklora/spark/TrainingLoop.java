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
        records ? new TrainingReports(storage, target, first, last) : null) {
      while (trainer.stepsDone() < last) {
        long begun = System.nanoTime();
        List<Sequence> sequences = feed.step(trainer.stepsDone());
        StepResult step = step(steps, sequences, trainer.stepsDone() + 1);
        long tokens = tokensOfStep(sequences);
        double rate = tokens / ((System.nanoTime() - begun) / 1e9);
        trained += tokens;
        losses.add(step.loss());
        if (records) {
          reports.add(step, tokens, rate, steps.largestProcess());
          if (step.step() < last && step.step() % target.checkpointEvery() == 0) {
            checkpoints.save(trainer);
          }
        }
      }
      if (records && first < last) {
        checkpoints.save(trainer);
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

  private StepResult step(TrainingSteps steps, List<Sequence> sequences, long number) {
    String text = "Training step %,d of %,d".formatted(number, settings.optimizer().steps());
    try (JobDescription job = JobDescription.of(text)) {
      return steps.step(sequences);
    }
  }

  /** Of all ranks: a rank that has a share of the sequences has that share of the tokens. */
  private long tokensOfStep(List<Sequence> sequences) {
    long own = sequences.stream().mapToLong(sequence -> sequence.tokens().length).sum();
    return own * settings.optimizer().batchSize() / sequences.size();
  }
}
