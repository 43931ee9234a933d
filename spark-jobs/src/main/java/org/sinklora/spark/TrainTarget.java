package org.sinklora.spark;

import org.apache.hadoop.fs.Path;
import picocli.CommandLine.Option;

/** The options of training that do not change its result. */
final class TrainTarget {
  @Option(
      names = "--data",
      paramLabel = "FOLDER",
      required = true,
      description = "Data set that 'prepare' wrote.")
  private String data;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives adapter/, checkpoints/ and metrics.jsonl.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Option(names = "--resume", description = "Go on from the newest checkpoint in --output.")
  private boolean resume;

  @Option(
      names = "--checkpoint-every",
      defaultValue = "50",
      paramLabel = "STEPS",
      description = "Steps from one checkpoint to the next. Default: ${DEFAULT-VALUE}.")
  private int checkpointEvery;

  @Option(
      names = "--keep-checkpoints",
      defaultValue = "2",
      description = "How many of them stay. Default: ${DEFAULT-VALUE}.")
  private int keepCheckpoints;

  @Option(
      names = "--partitions",
      defaultValue = "0",
      description = "Tasks of a step. Default: as many as cores or sequences.")
  private int partitions;

  @Option(
      names = "--threads-per-task",
      defaultValue = "0",
      paramLabel = "THREADS",
      description = "Default: the cores shared out among the tasks.")
  private int threads;

  /** Refuses what makes no sense. */
  void check() {
    if (resume && overwrite) {
      throw new UserException(
          "--resume goes on with the output folder, --overwrite replaces it: choose one");
    }
    if (checkpointEvery < 1 || keepCheckpoints < 1) {
      throw new UserException(
          "--checkpoint-every is %d and --keep-checkpoints %d; choose 1 or more"
              .formatted(checkpointEvery, keepCheckpoints));
    }
    if (partitions < 0 || threads < 0) {
      throw new UserException(
          "--partitions is %d and --threads-per-task %d; choose 1 or more, or 0 for the default"
              .formatted(partitions, threads));
    }
  }

  String data() {
    return data;
  }

  Path folder() {
    return new Path(output);
  }

  Path adapter() {
    return new Path(output, "adapter");
  }

  Path checkpoints() {
    return new Path(output, "checkpoints");
  }

  Path metrics() {
    return new Path(output, "metrics.jsonl");
  }

  boolean overwrite() {
    return overwrite;
  }

  boolean resume() {
    return resume;
  }

  int checkpointEvery() {
    return checkpointEvery;
  }

  int keepCheckpoints() {
    return keepCheckpoints;
  }

  int partitions() {
    return partitions;
  }

  int threads() {
    return threads;
  }
}
