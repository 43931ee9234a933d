package org.sinklora.spark;

import java.io.Serializable;

/**
 * What of a run does not change its result; see the options of {@link TrainTargetOptions}.
 *
 * @param data prepared data sets
 * @param folder receives adapter, checkpoints and metrics
 * @param overwrite whether an earlier run in the folder is replaced
 * @param resume whether an earlier run in the folder goes on
 * @param checkpointEvery steps from one checkpoint to the next
 * @param keepCheckpoints how many of them stay
 * @param partitions tasks of a step, GPUs where each task has one; 0 to choose
 * @param threads threads of a task; 0 to choose
 * @param sequencesPerPass sequences that one device takes together
 */
record TrainTarget(
    DataMix data,
    String folder,
    boolean overwrite,
    boolean resume,
    int checkpointEvery,
    int keepCheckpoints,
    int partitions,
    int threads,
    int sequencesPerPass)
    implements Serializable {

  /**
   * @throws UserException if the values make no sense
   */
  TrainTarget {
    if (resume && overwrite) {
      throw new UserException(
          "--resume goes on with the output folder, --overwrite replaces it: choose one");
    }
    if (checkpointEvery < 1 || keepCheckpoints < 1) {
      throw new UserException(
          "--checkpoint-every is %d and --keep-checkpoints %d; choose 1 or more"
              .formatted(checkpointEvery, keepCheckpoints));
    }
    if (sequencesPerPass < 1) {
      throw new UserException(
          "--sequences-per-pass is %d; choose 1 or more".formatted(sequencesPerPass));
    }
    if (partitions < 0 || threads < 0) {
      throw new UserException(
          "--partitions is %d and --threads-per-task %d; choose 1 or more, or 0 for the default"
              .formatted(partitions, threads));
    }
  }

  /**
   * @param batchSize sequences of a step
   * @throws UserException if there would be tasks without a sequence
   */
  void checkPartitions(int batchSize) {
    if (partitions > batchSize) {
      throw new UserException(
          "--partitions is %d, but a step has only %d sequences (--batch-size), so that %d tasks would have none; choose %d or less, or a larger --batch-size"
              .formatted(partitions, batchSize, partitions - batchSize, batchSize));
    }
  }

  String adapter() {
    return Storage.child(folder, "adapter");
  }

  String checkpoints() {
    return Storage.child(folder, "checkpoints");
  }

  String metrics() {
    return Storage.child(folder, MetricsLog.FILE);
  }

  String tensorBoard() {
    return Storage.child(folder, "tensorboard");
  }

  String record() {
    return Storage.child(folder, RunRecord.FILE);
  }

  String report() {
    return Storage.child(folder, TrainingReport.FILE);
  }
}
