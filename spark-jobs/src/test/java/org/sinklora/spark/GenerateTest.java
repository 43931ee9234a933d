package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
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
  void warnsOfAPromptPastTheContext() throws Exception {
    Path result = temp.resolve("past.json");
    String[] command = {
      "generate",
      "--prompt",
      CODE.repeat(60),
      "--kv",
      "h2o:heavy=60,recent=60",
      "--max-tokens",
      "4",
      "--positions",
      "original",
      "--json",
      result.toString()
    };
    Cli past = Cli.run(command);
    assertEquals(0, past.code(), past.err());
    assertEquals(1, past.err().lines().filter(line -> line.startsWith("Warning: ")).count());
    assertTrue(past.err().contains("512") && past.err().contains("positions=cache"), past.err());
    assertTrue(json(result).path("warning").asText().contains("512"));
    command[8] = "cache";
    Cli byPlace = Cli.run(command);
    assertEquals(0, byPlace.code(), byPlace.err());
    assertTrue(!byPlace.err().contains("Warning"), byPlace.err());
    assertTrue(json(result).path("warning").isNull());
  }

  /** A jar with two files of this module's code, each long enough for a held-out document. */
  private Path jar() throws Exception {
    StringBuilder all = new StringBuilder();
    try (Stream<Path> files = Files.walk(SampleData.SOURCES)) {
      for (Path source : files.filter(Files::isRegularFile).sorted().toList()) {
        all.append(Files.readString(source));
      }
    }
    Path jar = temp.resolve("b-sources.jar");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(jar))) {
      for (int part = 0; part < 2; part++) {
        zip.putNextEntry(new ZipEntry("Part" + part + ".java"));
        String text = all.substring(part * 17_000, (part + 1) * 17_000);
        zip.write(text.getBytes(StandardCharsets.UTF_8));
      }
    }
    return jar;
  }

  @Test
  void measuresWhatABudgetCosts() throws Exception {
    Path result = temp.resolve("quality.json");
    Object[] command = {
      "bench",
      "quality",
      "--documents",
      jar(),
      "--context",
      200,
      "--budgets",
      0.2,
      "--threads",
      1,
      "--json",
      result
    };
    Cli cli = Cli.succeed(command);
    assertTrue(cli.out().contains("the first 100 read at once as prompt"), cli.out());
    JsonNode rows = json(result).path("quality");
    List<String> seen = new ArrayList<>();
    rows.forEach(
        row ->
            seen.add(
                row.path("promptTokens").asInt()
                    + " "
                    + row.path("policy").asText().split(":")[0]));
    assertEquals(
        List.of(
            "1 full", "1 h2o", "1 streaming", "100 full", "100 h2o", "100 snapkv", "100 streaming"),
        seen);
    // It cuts the prompt: its cache is not the full one.
    assertTrue(rows.get(5).path("policy").asText().contains("budget=20,"), rows.toString());
    assertTrue(rows.get(5).path("value").asDouble() != rows.get(3).path("value").asDouble());
    Cli nothing = Cli.run(SampleData.with(command, "--policies", "snapkv", "--prompt", 1));
    assertEquals(1, nothing.code());
    assertTrue(nothing.err().contains("snapkv cuts a prompt"), nothing.err());
  }

  @Test
  void measuresAStreamPastTheContext() throws Exception {
    Path result = temp.resolve("stream.json");
    Object[] command = {
      "bench",
      "quality",
      "--documents",
      jar(),
      "--stream",
      1500,
      "--window",
      400,
      "--threads",
      1,
      "--json",
      result
    };
    Cli cli = Cli.succeed(SampleData.with(command, "--budgets", 64, "--policies", "streaming"));
    JsonNode streams = json(result).path("stream");
    assertEquals(2, streams.size());
    JsonNode original = streams.get(0);
    JsonNode cache = streams.get(1);
    assertEquals("streaming:sinks=4,recent=60", original.path("policy").asText());
    assertEquals(List.of("ORIGINAL", "CACHE"), streams.findValuesAsText("positions"));
    assertEquals(4, cache.path("windows").size());
    assertTrue(cli.out().contains("1,200 -  1,500"), cli.out());
    // The base model was trained for 512 tokens.
    double within = cache.path("value").asDouble();
    assertTrue(1.2 * within < original.path("value").asDouble(), cli.out());
    Cli wide = Cli.run(SampleData.with(command, "--budgets", 512));
    assertEquals(1, wide.code());
    assertTrue(wide.err().contains("context of 512"), wide.err());
    Cli snapKv = Cli.run(SampleData.with(command, "--policies", "snapkv"));
    assertTrue(snapKv.err().contains("does not bound a stream"), snapKv.err());
    Cli longer = Cli.run("bench", "quality", "--documents", command[3], "--stream", 1_000_000);
    assertEquals(1, longer.code());
    assertTrue(longer.err().contains("smaller --stream"), longer.err());
  }

  @Test
  void comparesTheFirstThousandTokensWithTheLast() throws Exception {
    Path result = temp.resolve("time.json");
    Object[] command = {
      "bench",
      "decode",
      "--stream-time",
      2000,
      "--lengths",
      64,
      "--threads",
      1,
      "--json",
      result,
      "--kv"
    };
    Cli cli = Cli.succeed(SampleData.with(command, "h2o:heavy=8,recent=8"));
    JsonNode row = json(result).path("streamTime").get(0);
    assertTrue(row.path("firstMicros").asDouble() > 0, cli.out());
    assertTrue(row.path("lastMicros").asDouble() > 0, cli.out());
    assertEquals(row.path("firstCacheBytes").asLong(), row.path("lastCacheBytes").asLong());
    Cli few = Cli.run("bench", "decode", "--stream-time", "1999", "--kv", "h2o:heavy=8,recent=8");
    assertEquals(1, few.code());
    assertTrue(few.err().contains("at least 2,000"), few.err());
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
