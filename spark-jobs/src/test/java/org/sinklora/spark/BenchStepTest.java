package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BenchStepTest {
  @TempDir Path folder;

  @Test
  void measuresWhatWasAskedFor() throws IOException {
    Path json = folder.resolve("step.json");
    Cli cli =
        Cli.run(
            "bench",
            "step",
            "--device",
            "cpu",
            "--lengths",
            "64,128",
            "--attention",
            "sf",
            "--steps",
            "2",
            "--gradient-checkpointing",
            "true",
            "--json",
            json.toString());
    assertEquals(0, cli.code(), cli.err());
    assertTrue(cli.out().contains("tokens/s"), cli.out());
    JsonNode rows = new JsonMapper().readTree(json.toFile()).path("step");
    assertEquals(2, rows.size());
    assertEquals(128, rows.at("/1/tokens").asInt());
    assertTrue(rows.at("/1/tokensPerSecond").asDouble() > 0);
    assertTrue(rows.at("/1/peakBytes").asLong() > rows.at("/0/peakBytes").asLong());
    assertTrue(rows.at("/0/plan").asText().contains("input of 6"), cli.out());
  }

  @Test
  void badValuesAreNamed() {
    String[][] bad = {
      {"--random-weights", "llama9", "llama2-7b"},
      {"--device", "tpu", "cuda:N"},
      {"--attention", "half", "full, s2 or sf"},
      {"--gradient-checkpointing", "maybe", "auto"},
      {"--steps", "1", "2 or more"},
    };
    for (String[] option : bad) {
      Cli cli = Cli.run("bench", "step", "--lengths", "64", option[0], option[1]);
      assertEquals(1, cli.code(), option[0] + cli.err());
      assertTrue(cli.err().contains(option[2]), option[0] + ": " + cli.err());
    }
  }
}
