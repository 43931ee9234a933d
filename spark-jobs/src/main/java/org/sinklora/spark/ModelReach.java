package org.sinklora.spark;

import java.util.List;
import java.util.stream.IntStream;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.sinklora.data.BundledModel;

/** Whether the executors can see the base model that the driver sees. */
final class ModelReach {
  private ModelReach() {}

  /**
   * Looks for the model from the executors that are there by now, before any work is done.
   *
   * @throws UserException if one of them does not find it
   */
  static void check(JavaSparkContext spark, ModelSource source) {
    if (TaskThreads.isOneProcess(spark) || source.location().equals(BundledModel.NAME)) {
      return;
    }
    String config = Storage.child(source.location(), "config.json");
    int tasks = Math.max(1, spark.defaultParallelism());
    List<String> without;
    try (JobDescription job = JobDescription.of("Looking for the model on the executors")) {
      without =
          spark
              .parallelize(IntStream.range(0, tasks).boxed().toList(), tasks)
              .filter(task -> !SparkSessions.taskStorage().exists(config))
              .map(task -> SparkEnv.get().blockManager().blockManagerId().host())
              .distinct()
              .collect();
    }
    if (!without.isEmpty()) {
      throw new UserException(
          "The model folder %s is on this host, but not where executors look for it on %s; give a path on hdfs: or s3a:, or an absolute one that is the same on every host"
              .formatted(source.location(), String.join(", ", without)));
    }
  }
}
