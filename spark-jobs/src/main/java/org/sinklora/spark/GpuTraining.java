package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;

/**
 * A training run on the GPUs of Spark's executors; apart, since it can't be loaded without Spark.
 */
final class GpuTraining {
  private GpuTraining() {}

  /**
   * Refuses what can't work.
   *
   * @param conf of the application, which may be yet to start
   */
  static void check(SparkConf conf, DeviceOptions device, TrainSettings settings) {
    if (settings.rounds().areLocal()) {
      throw new UserException(
          "--sync-every is %d, but the GPUs of Spark's executors add up their gradients in every step; leave it out, or take --device cpu"
              .formatted(settings.rounds().syncEvery()));
    }
    settings.rounds().checkNothingIsRounded("GPUs exchange float32 gradients through NCCL");
    GpuExecutors.check(conf, device);
  }

  /** In a session of its own; the result as it stands in the JSON file. */
  static ObjectNode run(
      String master,
      DeviceOptions device,
      TrainSettings settings,
      ModelSource model,
      TrainTarget target)
      throws IOException {
    check(GpuExecutors.settings(master), device, settings);
    try (SparkSession spark = SparkSessions.open("train", master)) {
      RankDevices devices = new GpuRanks(device.gpuPrecision());
      return run(spark, devices, settings, model, target);
    }
  }

  /** In a session that someone else ends, and whose settings were checked. */
  static ObjectNode run(
      SparkSession spark,
      RankDevices devices,
      TrainSettings settings,
      ModelSource model,
      TrainTarget target)
      throws IOException {
    int gpus = GpuExecutors.count(SparkSessions.context(spark), target.partitions());
    return new BarrierTraining(spark, devices, gpus, settings, model, target).run();
  }
}
