package org.sinklora.h2o;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/** Reference values that PyTorch and Transformers computed for a small model. */
record Fixture(Path folder) {

  private static final Path REPOSITORY = Path.of(System.getProperty("sinklora.root", ".."));

  /** The folder of all fixtures: {@code -Dsinklora.fixtures}, or the repository's copy. */
  static Path root() {
    String given = System.getProperty("sinklora.fixtures", "");
    return given.isBlank() ? ours() : REPOSITORY.resolve(given);
  }

  /** The repository's copy, for what holds of these models and need not hold of others. */
  static Path ours() {
    return REPOSITORY.resolve("lora/src/test/resources/fixtures");
  }

  /** Every model folder under the root. */
  static Stream<Fixture> models() throws IOException {
    return modelsIn(root());
  }

  /** Every model folder of the repository's copy. */
  static Stream<Fixture> ourModels() throws IOException {
    return modelsIn(ours());
  }

  private static Stream<Fixture> modelsIn(Path root) throws IOException {
    try (Stream<Path> folders = Files.list(root)) {
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

  KvCachePolicy policy() throws IOException {
    JsonNode meta = new JsonMapper().readTree(folder.resolve("meta.json").toFile());
    return KvCachePolicy.h2o(meta.path("heavy").asInt(), meta.path("recent").asInt());
  }

  SafeTensorsFile expected() throws IOException {
    return SafeTensorsFile.open(folder.resolve("expected.safetensors"));
  }

  static int[] ints(SafeTensorsFile file, String name) {
    long[] values = file.readLongs(name);
    int[] ints = new int[values.length];
    for (int i = 0; i < values.length; i++) {
      ints[i] = Math.toIntExact(values[i]);
    }
    return ints;
  }

  static float[] floats(SafeTensorsFile file, String name) {
    float[] values = new float[Math.toIntExact(file.info(name).elements())];
    file.readFloats(name, 0, values, 0, values.length);
    return values;
  }

  @Override
  public String toString() {
    return folder.getFileName().toString();
  }
}
