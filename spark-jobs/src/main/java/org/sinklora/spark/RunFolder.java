package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;

/** The output folder of a training run. */
final class RunFolder {
  private final Storage storage;
  private final TrainTarget target;

  /** The record of the run that is resumed; null if there is none. */
  private ObjectNode record;

  RunFolder(Storage storage, TrainTarget target) {
    this.storage = storage;
    this.target = target;
  }

  /**
   * Before anything is computed.
   *
   * @throws UserException if an earlier run lies there and nothing was said of it, or what is to be
   *     resumed is no run, or one of other settings
   */
  void check(TrainSettings settings) throws IOException {
    if (!target.resume()) {
      storage.checkOutput(target.folder(), target.overwrite(), Storage.name(target.metrics()));
      return;
    }
    if (storage.isFilled(target.folder()) && !storage.exists(target.metrics())) {
      throw new UserException(
          "%s is not empty and has no %s, so it is not a run that --resume could go on with; choose another --output"
              .formatted(target.folder(), MetricsLog.FILE));
    }
    record = RunRecord.of(storage, target.folder());
    if (record.has("settings")) {
      RunIdentity.checkSettings(target.folder(), record.path("settings").deepCopy(), settings);
    }
  }

  /** Makes room for a new run; one that is resumed stays. */
  void begin() throws IOException {
    if (target.resume()) {
      return;
    }
    // Only what a run writes: the folder may hold something else.
    for (String old :
        List.of(
            target.adapter(),
            target.checkpoints(),
            target.metrics(),
            target.tensorBoard(),
            target.record(),
            Storage.child(target.folder(), RunPerplexity.FILE),
            target.report())) {
      storage.delete(old);
    }
    storage.createFolder(target.folder());
    // It says whose folder this is; an object store shows what is written later only at its end.
    storage.writeText(target.metrics(), "");
  }

  /** Notes what the run is made of. */
  void describe(TrainSettings settings, ModelSource model, TrainingData data) throws IOException {
    RunRecord.begin(storage, target, settings, model, data, record);
  }

  /**
   * Notes the result and makes the report. A failure is told, and fails nothing: the adapter is
   * there.
   */
  void finish(ObjectNode result) {
    try {
      if (record != null && record.has("result") && isWithoutStep(result)) {
        // All had been done: what it took then is what is to know.
        storage.writeText(target.record(), record.toPrettyString() + "\n");
        System.err.printf(
            "Nothing was left to do: the run had done its %,d steps%n",
            result.path("steps").asLong());
      } else {
        RunRecord.end(storage, target, result);
      }
      TrainingReport.write(storage, target.folder(), target.report());
      result.put("report", target.report());
    } catch (IOException | RuntimeException e) {
      System.err.printf(
          "There is no report (%s); make it with 'sinklora report --run %s'%n",
          FailureReport.oneLine(FailureReport.describe(e)), target.folder());
    }
  }

  private static boolean isWithoutStep(ObjectNode result) {
    return result.path("resumed_at").asLong() == result.path("steps").asLong();
  }
}
