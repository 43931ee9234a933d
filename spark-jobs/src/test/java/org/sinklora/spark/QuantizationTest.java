package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters over a base in four bits. */
class QuantizationTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  private List<Double> losses(String name, Object... more) throws IOException {
    Cli.succeed(SampleData.train(folder.resolve(name), more));
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve(name).resolve("metrics.jsonl"))) {
      losses.add(JSON.readTree(line).path("loss").asDouble());
    }
    return losses;
  }

  private JsonNode perplexity(String adapter, Object... more) throws IOException {
    Path json = folder.resolve("perplexity.json");
    Object[] command = {
      "eval",
      "perplexity",
      "--data",
      SampleData.folder(),
      "--adapter",
      folder.resolve(adapter),
      "--documents",
      3,
      "--json",
      json
    };
    Cli.succeed(SampleData.with(command, more));
    return JSON.readTree(json.toFile());
  }

  private static double value(JsonNode result) {
    return result.path("perplexity").get(0).path("value").asDouble();
  }

  @Test
  void trainingAndEvaluationReadTheSameBase() throws IOException {
    List<Double> spark = losses("spark", "--quantization", "nf4", "--master", "local[2]");
    List<Double> alone = losses("alone", "--quantization", "nf4", "--master", "none");
    List<Double> exact = losses("exact", "--master", "none");
    for (int step = 0; step < exact.size(); step++) {
      assertEquals(alone.get(step), spark.get(step), 1e-5, "step " + (step + 1));
    }
    assertNotEquals(exact.get(0), alone.get(0), 1e-4, "the base was not in four bits");
    assertEquals(exact.get(0), alone.get(0), 0.2, "four bits lose little");

    JsonNode trained = perplexity("alone/adapter");
    JsonNode full = perplexity("alone/adapter", "--quantization", "none");
    assertEquals("nf4", trained.path("quantization").asText());
    assertEquals("none", full.path("quantization").asText());
    assertNotEquals(value(full), value(trained), 1e-3);
    assertEquals(1, value(full) / value(trained), 0.2);

    Path merged = folder.resolve("merged");
    Path adapter = folder.resolve("alone/adapter");
    Cli.succeed("export", "--adapter", adapter, "--format", "merged", "--output", merged);
    assertTrue(Files.exists(merged.resolve("model.safetensors")));
  }

  @Test
  void aNameThatIsNone() throws IOException {
    Cli cli = Cli.run(SampleData.train(folder.resolve("run"), "--quantization", "int2"));
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("no quantization 'int2'; choose none or nf4"), cli.err());
  }
}
