package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;
import org.sinklora.compute.cuda.CudaPrecision;
import picocli.CommandLine;

/** The training of a {@link SinkLoraEstimator} on a DataFrame: that of the command line. */
final class FrameTraining {
  private static final String HOME_FOLDER = ".sinklora";

  private final SinkLoraEstimator params;
  private final Dataset<?> frame;
  private final Function<CudaPrecision, RankDevices> executorGpus;
  private final SparkSession spark;

  FrameTraining(SinkLoraEstimator params, Dataset<?> frame) {
    this(params, frame, GpuRanks::new);
  }

  /**
   * @param executorGpus what stands for the GPUs of executors
   */
  FrameTraining(
      SinkLoraEstimator params,
      Dataset<?> frame,
      Function<CudaPrecision, RankDevices> executorGpus) {
    this.params = params;
    this.frame = frame;
    this.executorGpus = executorGpus;
    this.spark = frame.sparkSession();
  }

  /** The trained adapter; nothing else of the training stays. */
  AdapterFiles run() throws IOException {
    Storage storage = SparkSessions.storage(spark);
    ModelSource plain = ModelSource.of(params.getModel(), storage);
    TrainSettings settings = settings(params, plain);
    ModelSource model = settings.trained(plain);
    DeviceOptions device = device(params);
    boolean ranks = areExecutorGpusMeant(device);
    String folder = Storage.child(workFolder(), "sinklora-fit-" + UUID.randomUUID());
    String data = Storage.child(folder, "data");
    TrainTarget target = target(data, Storage.child(folder, "run"), ranks);
    target.checkPartitions(settings.optimizer().batchSize());
    settings.rounds().checkPartitions(target.partitions());
    if (ranks) {
      checkExecutorGpus(device, settings, target);
    }
    try (Place place = ranks ? SparkPlace.of(spark) : place(device)) {
      place.check(settings.rounds());
      new FrameDataSet(
              frame, params.getInputCol(), plain, params.getPack() ? settings.context() : 0)
          .write(params.getMinCharacters(), data);
      if (ranks) {
        RankDevices devices = executorGpus.apply(device.gpuPrecision());
        GpuTraining.run(spark, devices, settings, model, target);
      } else {
        new TrainingRun(place, settings, model, target).run();
      }
      return AdapterFiles.read(storage, target.adapter());
    } finally {
      storage.delete(folder);
    }
  }

  private TrainTarget target(String data, String folder, boolean ranks) {
    return new TrainTarget(
        DataMix.of(data),
        folder,
        false,
        false,
        // But for a stage that is tried again nobody goes on: the folder goes with this call.
        ranks ? TrainTargetOptions.CHECKPOINT_EVERY : Integer.MAX_VALUE,
        ranks ? TrainTargetOptions.KEEP_CHECKPOINTS : 1,
        params.getPartitions(),
        0,
        params.getSequencesPerPass());
  }

  private boolean areExecutorGpusMeant(DeviceOptions device) {
    return !TaskThreads.isOneProcess(SparkSessions.context(spark))
        && GpuExecutors.areMeant(spark.sparkContext().getConf(), device);
  }

  /** Before texts are prepared for nothing. */
  private void checkExecutorGpus(DeviceOptions device, TrainSettings settings, TrainTarget target) {
    JavaSparkContext context = SparkSessions.context(spark);
    GpuTraining.check(context.getConf(), device, settings);
    BarrierTraining.checkRanks(GpuExecutors.count(context, target.partitions()), settings);
  }

  /** One GPU of this process, or the CPUs of executors. */
  private Place place(DeviceOptions device) {
    SparkPlace executors = SparkPlace.of(spark);
    if (device.isAuto() && !TaskThreads.isOneProcess(SparkSessions.context(spark))) {
      // That this machine has a GPU says nothing of the executors'.
      return executors;
    }
    DeviceChoice choice = device.resolve();
    if (!choice.isGpu()) {
      return executors;
    }
    System.err.println(choice.describe());
    return new DevicePlace(choice, 0, executors);
  }

  /** What the command line makes of the options of the same names. */
  static TrainSettings settings(SinkLoraTrainingParams<?> params, ModelSource model) {
    return parsed(params, new TrainOptions()).resolve(model.location(), model.config());
  }

  /** What the command line makes of its options for the device. */
  static DeviceOptions device(SinkLoraTrainingParams<?> params) {
    return parsed(params, new DeviceOptions());
  }

  private static <T> T parsed(SinkLoraTrainingParams<?> params, T into) {
    CommandLine commandLine = new CommandLine(into).setCaseInsensitiveEnumValuesAllowed(true);
    List<String> options = new ArrayList<>();
    for (CommandLine.Model.OptionSpec option : commandLine.getCommandSpec().options()) {
      String name = camelCase(option.longestName());
      if (params.hasParam(name) && params.isDefined(params.getParam(name))) {
        options.add(
            option.longestName()
                + "="
                + ParamText.value(params.getOrDefault(params.getParam(name))));
      }
    }
    // An empty list is what an option stands at without a value.
    options.removeIf(option -> option.endsWith("="));
    commandLine.parseArgs(options.toArray(String[]::new));
    return into;
  }

  /** The param of an option. */
  static String camelCase(String option) {
    String[] words = option.replaceFirst("^--", "").split("-");
    return words[0]
        + Arrays.stream(words, 1, words.length)
            .map(word -> Character.toUpperCase(word.charAt(0)) + word.substring(1))
            .collect(Collectors.joining());
  }

  private String workFolder() throws IOException {
    if (params.isDefined(params.workFolder())) {
      return params.getWorkFolder();
    }
    if (TaskThreads.isOneProcess(SparkSessions.context(spark))) {
      return Path.of(System.getProperty("java.io.tmpdir")).toUri().toString();
    }
    Configuration hadoop = spark.sparkContext().hadoopConfiguration();
    FileSystem shared = FileSystem.get(hadoop);
    if (shared.getUri().getScheme().equals("file")) {
      throw new UserException(
          "workFolder is not set, and the default file system of this cluster is %s, which is another one on each host; set workFolder to a folder that every host sees, such as one on hdfs: or s3a:"
              .formatted(shared.getUri()));
    }
    return Storage.child(shared.getHomeDirectory().toString(), HOME_FOLDER);
  }
}
