package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import org.apache.spark.sql.SparkSession;

/**
 * A training run on the GPUs of Spark's executors; apart, since it can't be loaded without Spark.
 */
final class GpuTraining {
  private GpuTraining() {}

  /** The result as it stands in the JSON file. */
  static ObjectNode run(
      String master,
      DeviceOptions device,
      TrainSettings settings,
      ModelSource model,
      TrainTarget target)
      throws IOException {
    if (settings.rounds().areLocal()) {
      throw new UserException(
          "--sync-every is %d, but the GPUs of Spark's executors add up their gradients in every step; leave it out, or take --device cpu"
              .formatted(settings.rounds().syncEvery()));
    }
    settings.rounds().checkNothingIsRounded("GPUs exchange float32 gradients through NCCL");
    GpuExecutors.check(master, device);
    try (SparkSession spark = SparkSessions.open("train", master)) {
      int gpus = GpuExecutors.count(SparkSessions.context(spark), target.partitions());
      RankDevices devices = new GpuRanks(device.gpuPrecision());
      return new BarrierTraining(spark, devices, gpus, settings, model, target).run();
    }
  }
}
