package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import picocli.CommandLine.Option;

/** The options of training that do not change its result. */
final class TrainTargetOptions {
  /** Steps from one checkpoint to the next, where nobody says otherwise. */
  static final int CHECKPOINT_EVERY = 50;

  /** How many of them stay, likewise. */
  static final int KEEP_CHECKPOINTS = 2;

  @Option(
      names = "--data",
      paramLabel = "FOLDER",
      required = true,
      description =
          "Data set that 'prepare' wrote; or a token file (*.bin), text, JSON lines or a 'sources'"
              + " jar. May be repeated, or several with commas between them: sequences are then drawn"
              + " from all of them, as --mix says.")
  private List<String> data;

  @Option(
      names = "--mix",
      split = ",",
      paramLabel = "WEIGHT",
      description =
          "Share of the sequences that each --data gives, in their order and any unit: 0.7,0.3 or"
              + " 7,3. Default: the same for each.")
  private List<Double> mix = List.of();

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives adapter/, checkpoints/, metrics.jsonl, tensorboard/ and report.html.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Option(
      names = "--resume",
      description =
          "Go on from the newest whole checkpoint in --output, with the same settings. --steps may be"
              + " larger if --schedule is constant_with_warmup and there is no"
              + " --full-attention-tail.")
  private boolean resume;

  @Option(
      names = "--checkpoint-every",
      defaultValue = "" + CHECKPOINT_EVERY,
      paramLabel = "STEPS",
      description =
          "Steps from one checkpoint to the next, up to the end of a round of --sync-every steps."
              + " Default: ${DEFAULT-VALUE}.")
  private int checkpointEvery;

  @Option(
      names = "--keep-checkpoints",
      defaultValue = "" + KEEP_CHECKPOINTS,
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

  /**
   * @param storage where the data sets are
   */
  TrainTarget resolve(Storage storage) throws IOException {
    return new TrainTarget(
        DataMix.of(PathList.of(data, storage), mix),
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
