package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Map;
import org.sinklora.lora.Perplexity;

/** {@code perplexity.json} in the output folder of a training: what its evaluations gave. */
final class RunPerplexity {
  static final String FILE = "perplexity.json";
  private static final JsonMapper JSON = new JsonMapper();

  private RunPerplexity() {}

  /** All that was noted of a run; empty if nothing was. */
  static ArrayNode of(Storage storage, String run) throws IOException {
    String file = Storage.child(run, FILE);
    return storage.exists(file)
        ? (ArrayNode) JSON.readTree(storage.readText(file))
        : JSON.createArrayNode();
  }

  /**
   * Notes an evaluation, in the place of an earlier one of the same model and lengths, and makes
   * the report anew.
   *
   * @param name what was evaluated
   * @param protocol how, in words
   */
  static void add(
      Storage storage, String run, String name, String protocol, Map<Integer, Perplexity> found)
      throws IOException {
    ArrayNode rows = JSON.createArrayNode();
    for (JsonNode row : of(storage, run)) {
      boolean again =
          row.path("name").asText().equals(name)
              && row.path("protocol").asText().equals(protocol)
              && found.containsKey(row.path("context").asInt());
      if (!again) {
        rows.add(row);
      }
    }
    found.forEach((length, value) -> rows.add(row(name, length, value).put("protocol", protocol)));
    storage.writeText(Storage.child(run, FILE), rows.toPrettyString() + "\n");
    TrainingReport.write(storage, run, Storage.child(run, TrainingReport.FILE));
  }

  /** A row of a table of perplexities. */
  static ObjectNode row(String name, int length, Perplexity perplexity) {
    return JSON.createObjectNode()
        .put("name", name)
        .put("context", length)
        .put("value", perplexity.value())
        .put("standard_error", perplexity.standardError())
        .put("windows", perplexity.windows());
  }
}
