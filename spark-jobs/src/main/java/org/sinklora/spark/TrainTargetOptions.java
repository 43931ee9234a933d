package org.sinklora.spark;

import picocli.CommandLine.Option;

/** The options of training that do not change its result. */
final class TrainTargetOptions {
  @Option(
      names = "--data",
      paramLabel = "FOLDER",
      required = true,
      description =
          "Data set that 'prepare' wrote; or a token file (*.bin), text, JSON lines or a 'sources'"
              + " jar.")
  private String data;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives adapter/, checkpoints/, metrics.jsonl, tensorboard/ and report.html.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Option(names = "--resume", description = "Go on from the newest whole checkpoint in --output.")
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
      description =
          "Tasks of a step, --batch-size at most. Default: as many as cores or sequences; as many as"
              + " GPUs where Spark's executors have some.")
  private int partitions;

  @Option(
      names = "--threads-per-task",
      defaultValue = "0",
      paramLabel = "THREADS",
      description = "Default: the cores shared out among the tasks.")
  private int threads;

  @Option(
      names = "--sequences-per-pass",
      defaultValue = "1",
      paramLabel = "N",
      description =
          "Sequences that go through the model together on a GPU: more memory, less time for short"
              + " ones. Default: ${DEFAULT-VALUE}.")
  private int sequencesPerPass;

  TrainTarget resolve() {
    return new TrainTarget(
        data,
        output,
        overwrite,
        resume,
        checkpointEvery,
        keepCheckpoints,
        partitions,
        threads,
        sequencesPerPass);
  }
}
