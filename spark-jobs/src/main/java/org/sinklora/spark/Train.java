package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/**
 * Fine-tunes an adapter; a Spark application on CPUs or on its executors' GPUs, or one process with
 * a GPU or without Spark.
 */
@Command(
    name = "train",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Fine-tunes a LoRA adapter to a longer context.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora train --data data/ --context 4096 --learning-rate 3e-3 --output run/",
      "  sinklora train --device cuda --data tokens/ --context 4096 --batch-size 16 --output run/",
      "  sinklora train --data texts/ --data chats/ --mix 0.7,0.3 --context 4096 --output run/",
      "  sinklora train --config conf/train.yaml --output run/ --resume",
      "  spark-submit … --class org.sinklora.spark.Train spark-internal --data hdfs:/data \\",
      "      --model hdfs:/llama --context 32768 --batch-size 64 --output hdfs:/run",
      "  spark-submit … --properties-file conf/spark-gpu.conf --class org.sinklora.spark.Train \\",
      "      spark-internal --device cuda --data hdfs:/data --batch-size 64 --output hdfs:/run"
    })
public final class Train implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;
  @Mixin private CommonOptions.Model model;
  @Mixin private TrainTargetOptions targetOptions;
  @Mixin private TrainOptions options;
  @Mixin private DeviceOptions device;
  @Mixin private CommonOptions common;

  Train() {}

  /** Entry point for {@code spark-submit}. */
  public static void main(String[] arguments) {
    SinkLora.main(arguments, "train");
  }

  @Override
  public Integer call() throws Exception {
    Storage storage = Storage.here();
    TrainTarget target = targetOptions.resolve(storage);
    ModelSource plain = ModelSource.of(model.location(), storage);
    TrainSettings settings = options.resolve(model.location(), plain.config());
    target.checkPartitions(settings.optimizer().batchSize());
    settings.rounds().checkPartitions(target.partitions());
    ObjectNode result = train(settings, settings.trained(plain), target);
    result.set("settings", settings.toJson());
    common.writeJson(result);
    spec.commandLine()
        .getOut()
        .printf(
            "Trained %,d values in %,d steps, %.0f s, %,.0f tokens/s. Adapter: %s%s%n",
            result.path("trained_values").asLong(),
            result.path("steps").asLong(),
            result.path("seconds").asDouble(),
            result.path("tokens_per_second").asDouble(),
            result.path("adapter").asText(),
            result.has("report") ? ", report: " + result.path("report").asText() : "");
    spec.commandLine().getOut().print(RoundCosts.line(result));
    spec.commandLine().getOut().flush();
    return 0;
  }

  private ObjectNode train(TrainSettings settings, ModelSource extended, TrainTarget target)
      throws IOException {
    if (Place.hasGpuExecutors(common.master(), device)) {
      return GpuTraining.run(common.master(), device, settings, extended, target);
    }
    try (Place place = Place.open("train", common.master(), device, target.threads())) {
      return new TrainingRun(place, settings, extended, target).run();
    }
  }
}
