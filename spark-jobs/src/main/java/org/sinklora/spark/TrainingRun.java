package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/** A training run: from a prepared data set to an adapter folder. */
final class TrainingRun {
  /** Adapter, gradient and two moments: what a run holds for each trained value, in floats. */
  private static final int FLOATS_PER_VALUE = 3;

  private final Place place;
  private final Storage storage;
  private final TrainSettings settings;
  private final ModelSource model;
  private final TrainTarget target;

  /**
   * @param place where the steps are computed
   * @param settings what decides the result
   * @param model with the context of the training
   * @param target where things go and how the work is cut
   */
  TrainingRun(Place place, TrainSettings settings, ModelSource model, TrainTarget target) {
    this.place = place;
    this.storage = place.storage();
    this.settings = settings;
    this.model = model;
    this.target = target;
  }

  /** The result as it stands in the JSON file. */
  ObjectNode run() throws IOException {
    if (!target.resume()) {
      storage.checkOutput(target.folder(), target.overwrite(), Storage.name(target.metrics()));
    }
    TokenDataSet data;
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(storage))) {
      ModelFit.check(tokenizer, model);
      data = place.open(target.data(), Split.TRAIN, tokenizer, model);
    }
    SequenceFeed feed = new SequenceFeed(data, settings);
    CausalLm base = place.model(model);
    try (LoraAdapter adapter =
            LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
        LoraTrainer trainer =
            new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig())) {
      storage.checkRoom(
          target.folder(),
          adapter.size() * Float.BYTES * FLOATS_PER_VALUE * (target.keepCheckpoints() + 1L));
      Checkpoints checkpoints =
          new Checkpoints(
              storage, target.checkpoints(), identity(data.info()), target.keepCheckpoints());
      begin(checkpoints, trainer);
      TrainingSteps steps = place.steps(model, settings, target, trainer, adapter);
      ObjectNode result = train(feed, trainer, steps, checkpoints);
      AdapterFolder.write(storage, target.adapter(), adapter, model, settings);
      result.put("trained_values", adapter.size());
      steps.describe(result);
      return result;
    }
  }

  /** What must be the same for a checkpoint to be continued. */
  private ObjectNode identity(DataSetInfo info) {
    ObjectNode identity = new JsonMapper().createObjectNode();
    identity.set("settings", settings.toJson());
    identity.put("data", info.train().contentHash());
    identity.put("model_config", model.config().json().toString());
    return identity;
  }

  private void begin(Checkpoints checkpoints, LoraTrainer trainer) throws IOException {
    if (!target.resume()) {
      // Only what a run writes: the folder may hold something else.
      for (String old : List.of(target.adapter(), target.checkpoints(), target.metrics())) {
        storage.delete(old);
      }
      storage.createFolder(target.folder());
      return;
    }
    Optional<String> from = checkpoints.restore(trainer);
    System.err.println(
        from.map(name -> "Continuing from checkpoint " + name)
            .orElse("There is no whole checkpoint: starting from the beginning"));
  }

  private ObjectNode train(
      SequenceFeed feed, LoraTrainer trainer, TrainingSteps steps, Checkpoints checkpoints)
      throws IOException {
    long last = settings.optimizer().steps();
    long first = trainer.stepsDone();
    List<Double> losses = new ArrayList<>();
    long start = System.nanoTime();
    long trained = 0;
    try (MetricsLog metrics = new MetricsLog(storage, target.metrics(), first);
        Progress progress = new Progress("Training", "steps", last, first)) {
      while (trainer.stepsDone() < last) {
        long begun = System.nanoTime();
        List<Sequence> sequences = feed.step(trainer.stepsDone());
        StepResult step = steps.step(sequences);
        long tokens = sequences.stream().mapToLong(sequence -> sequence.tokens().length).sum();
        double rate = tokens / ((System.nanoTime() - begun) / 1e9);
        trained += tokens;
        metrics.add(step, rate, steps.largestProcess());
        losses.add(step.loss());
        progress.update(step.step(), note(step, rate, steps.largestProcess()));
        if (step.step() < last && step.step() % target.checkpointEvery() == 0) {
          checkpoints.save(trainer);
        }
      }
      if (first < last) {
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

  private static String note(StepResult step, double tokensPerSecond, long memory) {
    return "loss %.4f, lr %.2g, grad norm %.3f, %,.0f tokens/s, %,d MiB"
        .formatted(
            step.loss(), step.learningRate(), step.gradNorm(), tokensPerSecond, memory >> 20);
  }
}
