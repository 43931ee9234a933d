package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Optional;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** A training run: from a prepared data set to an adapter folder. */
final class TrainingRun {
  /** Adapter, two moments, outer momentum: what a checkpoint holds for each value, in floats. */
  private static final int FLOATS_PER_VALUE = 4;

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
    RunFolder folder = new RunFolder(storage, target);
    folder.check(settings);
    place.check(settings.rounds());
    TrainingData data = TrainingData.open(place, target.data(), model);
    SequenceFeed feed = new SequenceFeed(data, settings);
    feed.unused().forEach(System.err::println);
    CausalLm base = place.model(model);
    try (LoraAdapter adapter =
            LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
        LoraTrainer trainer =
            new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig())) {
      storage.checkRoom(
          target.folder(),
          adapter.size() * Float.BYTES * FLOATS_PER_VALUE * (target.keepCheckpoints() + 1L));
      // Before anything is replaced, since it may refuse; and before anything is restored: what all
      // processes know is the adapter as it is created.
      TrainingSteps steps = place.steps(model, settings, target, trainer, adapter);
      ComputedOn computedOn = steps.computedOn();
      Checkpoints checkpoints =
          new Checkpoints(
              storage,
              target.checkpoints(),
              RunIdentity.of(settings, model, data),
              computedOn,
              target.keepCheckpoints());
      folder.begin();
      if (target.resume()) {
        // Before the run is described anew, since it may be refused.
        resume(checkpoints, trainer, steps);
      }
      folder.describe(settings, model, data);
      ObjectNode result =
          new TrainingLoop(storage, settings, target, true).run(feed, trainer, steps, checkpoints);
      AdapterFolder.write(storage, target.adapter(), adapter, model, settings);
      result.put("trained_values", adapter.size());
      result.set("computed_on", new JsonMapper().valueToTree(computedOn));
      steps.describe(result);
      result.set("data", feed.shares());
      folder.finish(result);
      return result;
    }
  }

  private static void resume(Checkpoints checkpoints, LoraTrainer trainer, TrainingSteps steps)
      throws IOException {
    Optional<String> from = checkpoints.restore(trainer, steps);
    System.err.println(from.orElse("There is no whole checkpoint: starting from the beginning"));
  }
}
