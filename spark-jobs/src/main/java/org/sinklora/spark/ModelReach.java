package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.sinklora.data.BundledModel;

/** Whether the executors can see the base model that the driver sees. */
final class ModelReach {
  private ModelReach() {}

  /**
   * Looks for the model from the executors, before any work is done.
   *
   * @throws UserException if one of them does not find it
   */
  static void check(JavaSparkContext spark, ModelSource source) {
    if (TaskThreads.isOneProcess(spark) || source.location().equals(BundledModel.NAME)) {
      return;
    }
    String config = Storage.child(source.location(), "config.json");
    Map<String, String> hosts;
    try (JobDescription job = JobDescription.of("Looking for the model on the executors")) {
      hosts = EveryExecutor.ask(spark, () -> hostWithout(config));
    }
    List<String> without =
        hosts.values().stream().filter(host -> !host.isEmpty()).distinct().toList();
    if (!without.isEmpty()) {
      throw new UserException(
          "The model folder %s is on this host, but not where executors look for it on %s; give a path on hdfs: or s3a:, or an absolute one that is the same on every host"
              .formatted(source.location(), String.join(", ", without)));
    }
  }

  /** The host of this executor if it does not find a file, else nothing. */
  private static String hostWithout(String file) throws IOException {
    return SparkSessions.taskStorage().exists(file)
        ? ""
        : SparkEnv.get().blockManager().blockManagerId().host();
  }
}
