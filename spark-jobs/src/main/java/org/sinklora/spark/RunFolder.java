package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;

/** The output folder of a training run. */
final class RunFolder {
  private final Storage storage;
  private final TrainTarget target;

  RunFolder(Storage storage, TrainTarget target) {
    this.storage = storage;
    this.target = target;
  }

  /**
   * Before anything is computed.
   *
   * @throws UserException if an earlier run lies there and nothing was said of it
   */
  void check() throws IOException {
    if (!target.resume()) {
      storage.checkOutput(target.folder(), target.overwrite(), Storage.name(target.metrics()));
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
    RunRecord.begin(storage, target, settings, model, data);
  }

  /**
   * Notes the result and makes the report. A failure is told, and fails nothing: the adapter is
   * there.
   */
  void finish(ObjectNode result) {
    try {
      RunRecord.end(storage, target, result);
      TrainingReport.write(storage, target.folder(), target.report());
      result.put("report", target.report());
    } catch (IOException | RuntimeException e) {
      System.err.printf(
          "There is no report (%s); make it with 'sinklora report --run %s'%n",
          FailureReport.oneLine(FailureReport.describe(e)), target.folder());
    }
  }

  /** What must be the same for a checkpoint to be continued. */
  static ObjectNode identity(TrainSettings settings, ModelSource model, TrainingData data) {
    ObjectNode identity = new JsonMapper().createObjectNode();
    identity.set("settings", settings.toJson());
    identity.set("data", data.identity());
    identity.put("model_config", model.config().json().toString());
    return identity;
  }
}
