package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.Optional;
import org.apache.spark.BarrierTaskContext;
import org.sinklora.compute.Device;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.GradientExchange;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import scala.collection.Iterator;
import scala.jdk.javaapi.CollectionConverters;
import scala.runtime.AbstractFunction1;

/**
 * A rank of a training run, as a task of a barrier stage. Ranks begin where the newest checkpoint
 * stands, so a stage that is tried again goes on from there. The first rank writes metrics,
 * checkpoints and the adapter, and gives the result of the run; the others give nothing.
 */
final class RankTask extends AbstractFunction1<Iterator<Integer>, Iterator<String>>
    implements Serializable {
  private static final long serialVersionUID = 1;
  private static final JsonMapper JSON = new JsonMapper();

  private final RankDevices devices;
  private final TrainSettings settings;
  private final ModelSource model;
  private final TrainTarget target;
  private final RunIdentity identity;
  private final RankSequences sequences;

  /**
   * @param identity of the run, which checkpoints have
   */
  RankTask(
      RankDevices devices,
      TrainSettings settings,
      ModelSource model,
      TrainTarget target,
      RunIdentity identity,
      RankSequences sequences) {
    this.devices = devices;
    this.settings = settings;
    this.model = model;
    this.target = target;
    this.identity = identity;
    this.sequences = sequences;
  }

  @Override
  public Iterator<String> apply(Iterator<Integer> none) {
    try {
      return CollectionConverters.asScala(train(BarrierTaskContext.get()).iterator());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private List<String> train(BarrierTaskContext task) throws IOException {
    int rank = task.partitionId();
    Storage storage = SparkSessions.taskStorage();
    try (Device device = devices.open(task);
        CausalLm base = model.load(storage, device);
        LoraAdapter adapter =
            LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
        GradientExchange exchange = meet(task, device);
        LoraTrainer trainer =
            new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig(), exchange)) {
      TrainingSteps steps = new DeviceSteps(trainer, device, target.sequencesPerPass());
      ComputedOn computedOn = steps.computedOn().ranks(exchange.size());
      Checkpoints checkpoints =
          new Checkpoints(
              storage, target.checkpoints(), identity, computedOn, target.keepCheckpoints());
      restore(checkpoints, trainer, steps, exchange);
      ObjectNode result =
          new TrainingLoop(storage, settings, target, rank == 0)
              .run(sequences.of(rank, exchange.size()), trainer, steps, checkpoints);
      if (rank > 0) {
        return List.of();
      }
      AdapterFolder.write(storage, target.adapter(), adapter, model, settings);
      result.put("trained_values", adapter.size());
      steps.describe(result);
      result.set("computed_on", JSON.valueToTree(computedOn));
      result.put("ranks", exchange.size());
      return List.of(result.toString());
    }
  }

  /** The only time that ranks talk through Spark. */
  private GradientExchange meet(BarrierTaskContext task, Device device) throws IOException {
    int rank = task.partitionId();
    ObjectNode own = JSON.createObjectNode();
    own.put("group", rank == 0 ? devices.newGroup() : "");
    own.put("kind", devices.kind(device));
    String[] all = task.allGather(own.toString());
    JsonNode first = JSON.readTree(all[0]);
    for (int other = 1; other < all.length; other++) {
      String kind = JSON.readTree(all[other]).path("kind").asText();
      if (!kind.equals(first.path("kind").asText())) {
        throw new UserException(
            "Rank 0 computes on %s, rank %d on %s: they would not update alike; take executors with the same kind of GPU, or train on their CPUs with --device cpu"
                .formatted(first.path("kind").asText(), other, kind));
      }
    }
    return devices.join(
        first.path("group").asText(), device, rank, all.length, task::isInterrupted);
  }

  private static void restore(
      Checkpoints checkpoints, LoraTrainer trainer, TrainingSteps steps, GradientExchange exchange)
      throws IOException {
    Optional<String> from = checkpoints.restore(trainer, steps);
    if (exchange.rank() == 0 && from.isPresent()) {
      System.err.println(from.get());
    }
    // An earlier attempt's first rank may have finished a checkpoint while this one's ranks looked.
    long done = trainer.stepsDone();
    if (exchange.sum(done) != (double) done * exchange.size()) {
      throw new IllegalStateException(
          "Rank %d of %d begins at step %d and others elsewhere: they do not see the same checkpoints in the output folder; choose an --output that every host sees, such as hdfs: or s3a:"
              .formatted(exchange.rank(), exchange.size(), done));
    }
  }
}
