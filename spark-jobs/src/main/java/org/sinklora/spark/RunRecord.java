package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;

/**
 * {@code run.json} in the output folder: what a run is made of, and its result once it has ended,
 * for who looks at it later.
 */
final class RunRecord {
  static final String FILE = "run.json";
  private static final JsonMapper JSON = new JsonMapper();

  private RunRecord() {}

  /**
   * Writes what is known before the first step.
   *
   * @param before the record of the part of the run that goes on; null if none does
   */
  static void begin(
      Storage storage,
      TrainTarget target,
      TrainSettings settings,
      ModelSource model,
      TrainingData data,
      ObjectNode before)
      throws IOException {
    ObjectNode json = JSON.createObjectNode();
    if (before != null && before.has("began")) {
      json.set("began", before.path("began"));
      json.put("resumed", now());
    } else {
      json.put("began", now());
    }
    json.set("settings", settings.toJson());
    json.putObject("model")
        .put("location", model.location())
        .set("config", JSON.readTree(model.configJson()));
    ArrayNode sets = json.putArray("data");
    for (int i = 0; i < data.sets().size(); i++) {
      addData(storage, data.mix().sources().get(i), data.sets().get(i).info(), sets.addObject());
    }
    storage.writeText(target.record(), json.toPrettyString() + "\n");
  }

  private static void addData(
      Storage storage, DataMix.Source source, DataSetInfo info, ObjectNode json)
      throws IOException {
    json.put("location", source.location());
    json.put("weight", source.weight());
    json.set("info", JSON.valueToTree(info));
    String quality = Storage.child(source.location(), QualityReport.FILE);
    if (storage.isFolder(source.location()) && storage.exists(quality)) {
      json.set("preparation", read(storage, quality));
    }
  }

  private static String now() {
    return Instant.now().truncatedTo(ChronoUnit.SECONDS).toString();
  }

  /** Adds the result; what it has of each step stands in the metrics already. */
  static void end(Storage storage, TrainTarget target, ObjectNode result) throws IOException {
    ObjectNode json = (ObjectNode) read(storage, target.record());
    json.put("ended", now());
    json.set("result", result.deepCopy().without("losses"));
    storage.writeText(target.record(), json.toPrettyString() + "\n");
  }

  /**
   * What is known of a run: its record, or what its adapter says where an older version trained it.
   */
  static ObjectNode of(Storage storage, String run) throws IOException {
    String record = Storage.child(run, FILE);
    if (storage.exists(record)) {
      return (ObjectNode) read(storage, record);
    }
    ObjectNode json = JSON.createObjectNode();
    String adapter = Storage.child(run, "adapter/" + AdapterFolder.CONFIG_FILE);
    if (storage.exists(adapter)) {
      JsonNode config = read(storage, adapter);
      json.set("settings", config.path("training"));
      json.putObject("model")
          .put("location", config.path("base_model").asText())
          .set("config", config.path("model_config"));
    }
    return json;
  }

  private static JsonNode read(Storage storage, String file) throws IOException {
    try {
      return JSON.readTree(storage.readText(file));
    } catch (JsonProcessingException e) {
      throw new UserException(
          "%s is damaged (%s); remove it".formatted(file, e.getOriginalMessage()), e);
    }
  }
}
