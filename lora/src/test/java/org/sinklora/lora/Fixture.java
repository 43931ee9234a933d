package org.sinklora.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.sinklora.compute.Documents;
import org.sinklora.lora.safetensors.SafeTensorsFile;
import org.sinklora.sfattn.AttentionPattern;

/** Reference values that PyTorch, Transformers and PEFT computed for a small model. */
record Fixture(Path folder) {

  /** The folder of all fixtures: {@code -Dsinklora.fixtures}, or the repository's copy. */
  static Path root() {
    String given = System.getProperty("sinklora.fixtures", "");
    if (given.isBlank()) {
      return Path.of("src/test/resources/fixtures");
    }
    return Path.of(System.getProperty("sinklora.root", "")).resolve(given);
  }

  /** Every model folder under the root. */
  static Stream<Fixture> models() throws IOException {
    try (Stream<Path> folders = Files.list(root())) {
      return folders
          .filter(folder -> Files.exists(folder.resolve("meta.json")))
          .sorted()
          .map(Fixture::new)
          .toList()
          .stream();
    }
  }

  Path base() {
    return folder.resolve("base");
  }

  Path adapter() {
    return folder.resolve("adapter");
  }

  boolean hasAdapter() {
    return Files.exists(adapter());
  }

  private JsonNode meta() throws IOException {
    return new JsonMapper().readTree(folder.resolve("meta.json").toFile());
  }

  /** The pattern that the reference values call {@code name}, e.g. {@code sf_0.25}. */
  AttentionPlan plan(String name) throws IOException {
    int groupSize = meta().path("G").asInt();
    int sinks = meta().path("sinks").asInt();
    if (name.equals("full")) {
      return AttentionPlan.FULL;
    }
    if (name.equals("s2_cyclic")) {
      return AttentionPlan.of(AttentionPattern.s2Cyclic(groupSize));
    }
    double ratio = Double.parseDouble(name.substring("sf_".length()));
    return AttentionPlan.of(AttentionPattern.sinkFixed(groupSize, ratio, sinks));
  }

  SafeTensorsFile expected() throws IOException {
    return SafeTensorsFile.open(folder.resolve("expected.safetensors"));
  }

  /** The input of all reference values. */
  TokenBatch batch() throws IOException {
    try (SafeTensorsFile file = expected()) {
      return batch(file);
    }
  }

  static TokenBatch batch(SafeTensorsFile file) {
    int sequences = Math.toIntExact(file.info("input_ids").shape().get(0));
    int length = Math.toIntExact(file.info("input_ids").shape().get(1));
    long[] ids = file.readLongs("input_ids");
    int[] tokens = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      tokens[i] = Math.toIntExact(ids[i]);
    }
    return new TokenBatch(tokens, tokens, Documents.uniform(sequences, length), 0);
  }

  static float[] floats(SafeTensorsFile file, String name) {
    float[] values = new float[Math.toIntExact(file.info(name).elements())];
    file.readFloats(name, 0, values, 0, values.length);
    return values;
  }

  /** All tensors of a file of gradients, under the names we have for the parameters. */
  static Map<String, float[]> gradients(Path file) throws IOException {
    Map<String, float[]> gradients = new TreeMap<>();
    try (SafeTensorsFile tensors = SafeTensorsFile.open(file)) {
      for (String name : tensors.names()) {
        String parameter =
            name.replace("base_model.model.", "")
                .replace(".modules_to_save.default", "")
                .replace(".base_layer", "")
                .replace(".default", "");
        gradients.put(parameter, floats(tensors, name));
      }
    }
    return gradients;
  }

  @Override
  public String toString() {
    return folder.getFileName().toString();
  }
}
