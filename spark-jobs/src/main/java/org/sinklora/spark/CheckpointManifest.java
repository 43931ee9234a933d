package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * What tells a whole checkpoint from a torn one: {@value #FILE} with the size and the CRC-32C of
 * every other file. It is the last file that is written. It also says what computed the checkpoint.
 */
final class CheckpointManifest {
  static final String FILE = "sinklora_manifest.json";
  private static final String COMPUTED_ON = "computed_on";
  private static final JsonMapper JSON = new JsonMapper();

  private CheckpointManifest() {}

  /** Writes the manifest of what lies in a local folder. */
  static void write(Path folder, ComputedOn computedOn) throws IOException {
    ObjectNode files = JSON.createObjectNode();
    for (Path file : filesOf(folder)) {
      files
          .putObject(file.getFileName().toString())
          .put("bytes", Files.size(file))
          .put("crc32c", checksum(file));
    }
    ObjectNode manifest = JSON.createObjectNode();
    manifest.set("files", files);
    manifest.set(COMPUTED_ON, JSON.valueToTree(computedOn));
    Files.writeString(folder.resolve(FILE), manifest.toPrettyString() + "\n");
  }

  /** What computed a whole checkpoint; empty if it is from before that was noted. */
  static Optional<ComputedOn> computedOn(Path folder) throws IOException {
    JsonNode noted = JSON.readTree(folder.resolve(FILE).toFile()).path(COMPUTED_ON);
    return noted.isObject() ? Optional.of(ComputedOn.of(noted)) : Optional.empty();
  }

  /**
   * What is wrong with a local folder.
   *
   * @return empty if every file of the manifest is there with its content
   */
  static Optional<String> problem(Path folder) throws IOException {
    Path manifest = folder.resolve(FILE);
    if (!Files.isRegularFile(manifest)) {
      return Optional.of("it has no " + FILE);
    }
    JsonNode files;
    try {
      files = JSON.readTree(manifest.toFile()).path("files");
    } catch (JsonProcessingException e) {
      return Optional.of(FILE + " is damaged");
    }
    if (files.isEmpty()) {
      return Optional.of(FILE + " names no file");
    }
    for (Map.Entry<String, JsonNode> file : files.properties()) {
      Optional<String> problem = problem(folder.resolve(file.getKey()), file.getValue());
      if (problem.isPresent()) {
        return problem;
      }
    }
    return Optional.empty();
  }

  private static Optional<String> problem(Path file, JsonNode expected) throws IOException {
    Path name = file.getFileName();
    if (!Files.isRegularFile(file)) {
      return Optional.of(name + " is missing");
    }
    if (Files.size(file) != expected.path("bytes").asLong(-1)) {
      return Optional.of(
          "%s has %,d bytes, not %,d"
              .formatted(name, Files.size(file), expected.path("bytes").asLong()));
    }
    return checksum(file).equals(expected.path("crc32c").asText())
        ? Optional.empty()
        : Optional.of(name + " does not have its checksum");
  }

  private static List<Path> filesOf(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList();
    }
  }

  private static String checksum(Path file) throws IOException {
    CRC32C sum = new CRC32C();
    byte[] block = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(block); count >= 0; count = in.read(block)) {
        sum.update(block, 0, count);
      }
    }
    return "%08x".formatted(sum.getValue());
  }
}
