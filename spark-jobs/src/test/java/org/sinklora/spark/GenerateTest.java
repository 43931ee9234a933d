package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands {@code generate} and {@code bench} on the bundled model. */
class GenerateTest {
  private static final String CODE = "public final class Counter {\n  private int count;\n";

  @TempDir Path temp;

  private JsonNode json(Path file) throws Exception {
    return new JsonMapper().readTree(file.toFile());
  }

  @Test
  void continuesATextFromAnEvictingCacheAndExplainsIt() throws Exception {
    Path prompt = temp.resolve("prompt.txt");
    Files.writeString(prompt, CODE.repeat(20));
    Path result = temp.resolve("result.json");
    Path explain = temp.resolve("kept.json");
    Cli cli =
        Cli.run(
            "generate",
            "--prompt-file",
            prompt.toString(),
            "--kv",
            "h2o:heavy=0.1,recent=0.1",
            "--max-tokens",
            "24",
            "--explain",
            explain.toString(),
            "--json",
            result.toString());
    assertEquals(0, cli.code(), cli.err());
    JsonNode answer = json(result);
    assertTrue(cli.out().contains(answer.path("text").asText()), cli.out());
    assertTrue(answer.path("cacheBytes").asLong() < answer.path("fullCacheBytes").asLong());
    assertEquals(6 * 4, json(explain).path("heads").size());
    assertTrue(Files.readString(temp.resolve("kept.html")).contains("<html"));
  }

  @Test
  void theSameSeedDrawsTheSameText() throws Exception {
    String[] command = {
      "generate",
      "--prompt",
      CODE,
      "--temperature",
      "1",
      "--top-p",
      "0.9",
      "--seed",
      "7",
      "--max-tokens",
      "16"
    };
    String first = Cli.run(command).out();
    assertEquals(first, Cli.run(command).out());
    command[8] = "8";
    assertTrue(!first.equals(Cli.run(command).out()));
  }

  @Test
  void saysWhatIsWrong() {
    Cli unknown = Cli.run("generate", "--prompt", "x", "--kv", "lru:size=3");
    assertEquals(1, unknown.code());
    assertTrue(unknown.err().contains("lru") && unknown.err().contains("h2o"), unknown.err());
    Cli absent = Cli.run("generate", "--prompt-file", temp.resolve("none.txt").toString());
    assertEquals(1, absent.code());
    assertTrue(absent.err().contains("none.txt"), absent.err());
    assertEquals(2, Cli.run("generate").code());
    Cli tooLong = Cli.run("generate", "--prompt", CODE.repeat(200));
    assertEquals(1, tooLong.code());
    assertTrue(tooLong.err().contains("512"), tooLong.err());
  }

  @Test
  void measuresDecoding() throws Exception {
    Path result = temp.resolve("decode.json");
    Cli cli =
        Cli.run(
            "bench", "decode", "--lengths", "64", "--tokens", "20", "--json", result.toString());
    assertEquals(0, cli.code(), cli.err());
    JsonNode rows = json(result).path("decode");
    assertEquals(2, rows.size());
    rows.forEach(
        row ->
            assertEquals(
                row.path("cachePlannedBytes").asLong(), row.path("cacheResidentBytes").asLong()));
  }
}
