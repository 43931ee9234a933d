package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.util.List;

/**
 * What makes a run the one it is: a checkpoint goes on under the same alone.
 *
 * @param settings of the run
 * @param data what the sequences depend on, as JSON
 * @param modelConfig configuration of the base model under the run's context, as JSON
 */
record RunIdentity(TrainSettings settings, String data, String modelConfig)
    implements Serializable {
  private static final String SETTINGS = "settings";
  private static final JsonMapper JSON = new JsonMapper();

  static RunIdentity of(TrainSettings settings, ModelSource model, TrainingData data) {
    return new RunIdentity(settings, data.identity().toString(), model.config().json().toString());
  }

  ObjectNode toJson() {
    ObjectNode json = JSON.createObjectNode();
    json.set(SETTINGS, settings.toJson());
    try {
      json.set("data", JSON.readTree(data));
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("What was JSON before is none now: " + data, e);
    }
    json.put("model_config", modelConfig);
    return json;
  }

  /**
   * @param what is looked at, for the message
   * @param saved what {@link #toJson} gave when it was written
   * @throws UserException if it is of another run
   */
  void check(String what, JsonNode saved) {
    checkSettings(what, saved.path(SETTINGS), settings);
    checkSame(what, "", saved, toJson().without(SETTINGS));
  }

  /** The same for settings alone. */
  static void checkSettings(String what, JsonNode saved, TrainSettings settings) {
    TrainSettings.completeJson(saved);
    ObjectNode current = settings.toJson();
    // Activations that are computed again are the same bits, so memory is free; so is the number of
    // steps, unless those already done would have been others.
    ObjectNode optimizer = (ObjectNode) current.path("optimizer");
    optimizer.remove(List.of("gradientCheckpointing", "memoryLimit"));
    if (!settings.trainingConfig().isStretchedOverSteps()) {
      optimizer.remove("steps");
    }
    checkSame(what, SETTINGS, saved, current);
  }

  private static void checkSame(String what, String at, JsonNode saved, JsonNode current) {
    if (current.isObject()) {
      current
          .properties()
          .forEach(
              field ->
                  checkSame(
                      what,
                      at.isEmpty() ? field.getKey() : at + "." + field.getKey(),
                      saved.path(field.getKey()),
                      field.getValue()));
    } else if (!saved.asText().equals(current.asText()) || saved.size() != current.size()) {
      throw new UserException(
          "%s is of another run: it has %s = %s, this run %s; resume with the same settings, or start anew with --overwrite or another --output"
              .formatted(what, at, saved, current));
    } else {
      for (int i = 0; i < current.size(); i++) {
        checkSame(what, at, saved.path(i), current.path(i));
      }
    }
  }
}
