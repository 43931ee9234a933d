package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.rdd.RDD;
import org.apache.spark.sql.SparkSession;
import scala.reflect.ClassTag$;

/**
 * A training run as one barrier stage of Spark: each task is a rank with a device of its own, all
 * of them start together, and gradients go from device to device.
 *
 * <p>A task that fails fails the stage. Spark starts all of it again, up to {@code
 * spark.stage.maxConsecutiveAttempts} times, and the ranks go on from the newest checkpoint.
 */
final class BarrierTraining {
  private final SparkSession spark;
  private final RankDevices devices;
  private final int ranks;
  private final TrainSettings settings;
  private final ModelSource model;
  private final TrainTarget target;

  /**
   * @param ranks number of tasks
   * @param settings what decides the result, but for the order of additions
   * @param model with the context of the training
   * @param target where things go
   */
  BarrierTraining(
      SparkSession spark,
      RankDevices devices,
      int ranks,
      TrainSettings settings,
      ModelSource model,
      TrainTarget target) {
    this.spark = spark;
    this.devices = devices;
    this.ranks = ranks;
    this.settings = settings;
    this.model = model;
    this.target = target;
  }

  /** The result as it stands in the JSON file. */
  ObjectNode run() throws IOException {
    checkRanks(ranks, settings);
    SparkPlace place = SparkPlace.of(spark);
    RunFolder folder = new RunFolder(place.storage(), target);
    folder.check(settings);
    TrainingData data = TrainingData.open(place, target.data(), model);
    SequenceFeed feed = new SequenceFeed(data, settings);
    feed.unused().forEach(System.err::println);
    JavaSparkContext context = SparkSessions.context(spark);
    ModelReach.check(context, model);
    RankSequences sequences = RankSequences.broadcast(context, feed, settings);
    try {
      folder.begin();
      System.err.printf(
          "Training with %d ranks in one stage; metrics go to %s%n", ranks, target.metrics());
      RunIdentity identity = RunIdentity.of(settings, model, data);
      folder.describe(settings, model, data);
      ObjectNode result =
          train(context, new RankTask(devices, settings, model, target, identity, sequences));
      result.set("data", feed.shares());
      folder.finish(result);
      return result;
    } finally {
      sequences.destroy();
    }
  }

  /**
   * @throws UserException if there would be ranks without a sequence
   */
  static void checkRanks(int ranks, TrainSettings settings) {
    int batchSize = settings.optimizer().batchSize();
    if (ranks > batchSize) {
      throw new UserException(
          "%d GPUs for %d sequences of a step; choose a --batch-size of at least the GPUs, or fewer with --partitions"
              .formatted(ranks, batchSize));
    }
  }

  private ObjectNode train(JavaSparkContext context, RankTask task) throws IOException {
    String text =
        "Training %,d steps on %,d devices".formatted(settings.optimizer().steps(), ranks);
    try (JobDescription job = JobDescription.of(text)) {
      RDD<String> results =
          context
              .parallelize(Collections.nCopies(ranks, 0), ranks)
              .rdd()
              .barrier()
              .mapPartitions(task, false, ClassTag$.MODULE$.apply(String.class));
      GpuExecutors.trainingStage(context.getConf()).ifPresent(results::withResources);
      // The shuffle matters: Spark tries a barrier stage again only if another stage follows it.
      List<String> result = results.toJavaRDD().repartition(1).collect();
      return (ObjectNode) new JsonMapper().readTree(result.get(0));
    }
  }
}
