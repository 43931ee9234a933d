package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.stream.Collectors;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.SparkSession;
import picocli.CommandLine;

/** The training of a {@link SinkLoraEstimator} on a DataFrame: that of the command line. */
final class FrameTraining {
  private static final String HOME_FOLDER = ".sinklora";

  private final SinkLoraEstimator params;
  private final Dataset<?> frame;
  private final SparkSession spark;

  FrameTraining(SinkLoraEstimator params, Dataset<?> frame) {
    this.params = params;
    this.frame = frame;
    this.spark = frame.sparkSession();
  }

  /** The trained adapter; nothing else of the training stays. */
  AdapterFiles run() throws IOException {
    Storage storage = SparkSessions.storage(spark);
    ModelSource plain = ModelSource.of(params.getModel(), storage);
    TrainSettings settings = settings(params, plain);
    ModelSource model = settings.trained(plain);
    String folder = Storage.child(workFolder(), "sinklora-fit-" + UUID.randomUUID());
    String data = Storage.child(folder, "data");
    TrainTarget target =
        new TrainTarget(
            DataMix.of(data),
            Storage.child(folder, "run"),
            false,
            false,
            // Nobody goes on with it: the folder goes with this call.
            Integer.MAX_VALUE,
            1,
            0,
            0,
            1);
    try (SparkPlace place = SparkPlace.of(spark)) {
      new FrameDataSet(
              frame, params.getInputCol(), plain, params.getPack() ? settings.context() : 0)
          .write(params.getMinCharacters(), data);
      new TrainingRun(place, settings, model, target).run();
      return AdapterFiles.read(storage, target.adapter());
    } finally {
      storage.delete(folder);
    }
  }

  /** What the command line makes of the options of the same names. */
  static TrainSettings settings(SinkLoraTrainingParams<?> params, ModelSource model) {
    List<String> options = new ArrayList<>();
    for (CommandLine.Model.OptionSpec option :
        CommandLine.Model.CommandSpec.forAnnotatedObject(new TrainOptions()).options()) {
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
    return CommandLine.populateCommand(new TrainOptions(), options.toArray(String[]::new))
        .resolve(model.location(), model.config());
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
