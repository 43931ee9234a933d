package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The demo in small: all its steps, on the sources of this module. */
class DemoTest {
  @TempDir private Path folder;

  @Test
  void theDemoGoesThroughAllSteps() throws IOException {
    jar(folder.resolve("corpus/train/a-sources.jar"));
    jar(folder.resolve("corpus/heldout/b-sources.jar"));
    Path json = folder.resolve("demo.json");
    Object[] command = {
      "demo",
      "--corpus",
      folder.resolve("corpus"),
      "--output",
      folder.resolve("out"),
      "--steps",
      2,
      "--context",
      1024,
      "--documents",
      2,
      "--json",
      json
    };
    Cli cli = Cli.succeed(command);
    assertTrue(cli.out().contains("base+rope"), cli.out());
    JsonNode result = new JsonMapper().readTree(json.toFile());
    assertEquals(
        List.of("base", "base+rope", "adapter"),
        result.path("perplexity").findValuesAsText("name"));
    result
        .path("perplexity")
        .forEach(
            row -> {
              assertEquals(1024, row.path("context").asInt());
              assertTrue(row.path("value").asDouble() > 1);
            });
    assertTrue(
        Files.exists(
            Path.of(result.path("adapter").asText()).resolve("adapter_model.safetensors")));
    String report = Files.readString(Path.of(result.path("report").asText()));
    assertTrue(report.contains(">base+rope<"), "the perplexities are in the report");
    long cache = result.at("/generation/cacheBytes").asLong();
    assertTrue(cache > 0 && cache < result.at("/generation/fullCacheBytes").asLong());
    assertTrue(result.at("/seconds/total").asDouble() > 0);
  }

  /** Files long enough for the demo: several of this module's, one behind the other. */
  private static void jar(Path file) throws IOException {
    Files.createDirectories(file.getParent());
    StringBuilder all = new StringBuilder();
    try (Stream<Path> files = Files.walk(SampleData.SOURCES)) {
      for (Path source : files.filter(Files::isRegularFile).sorted().toList()) {
        all.append(Files.readString(source));
      }
    }
    try (ZipOutputStream jar = new ZipOutputStream(Files.newOutputStream(file))) {
      for (int part = 0; part < 3; part++) {
        jar.putNextEntry(new ZipEntry("Part" + part + ".java"));
        String text = all.substring(part * 20_000, (part + 1) * 20_000);
        jar.write(text.getBytes(StandardCharsets.UTF_8));
      }
    }
  }
}
