package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What 'prepare' leaves out, what it says of it, and that it does nothing twice. */
class QualityTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  private static String words(int seed, int count) {
    return new Random(seed)
        .ints(count, 0, 5000)
        .mapToObj(word -> "w" + word)
        .collect(Collectors.joining(" "));
  }

  private Path texts() throws IOException {
    Path texts = Files.createDirectory(folder.resolve("texts"));
    Files.writeString(texts.resolve("a.txt"), words(1, 300));
    Files.writeString(texts.resolve("b.txt"), words(1, 300));
    // Two of 300 words differ, ten of 296 runs of five: a similarity of 286 to 306.
    Files.writeString(
        texts.resolve("c.txt"),
        words(1, 300).replaceFirst("(( w\\d+){99}) w\\d+", "$1 x").replaceFirst("w\\d+$", "y"));
    Files.writeString(texts.resolve("d.txt"), words(2, 300));
    Files.writeString(texts.resolve("e.txt"), "short");
    Files.writeString(texts.resolve("f.txt"), "");
    return texts;
  }

  private JsonNode prepare(Path texts, String name, Object... more) throws IOException {
    Object[] command = {
      "prepare",
      "--input",
      texts,
      "--held-out",
      0,
      "--min-characters",
      100,
      "--output",
      folder.resolve(name)
    };
    Path json = folder.resolve(name + ".json");
    Cli cli = Cli.succeed(SampleData.with(SampleData.with(command, more), "--json", json));
    JsonNode result = JSON.readTree(json.toFile());
    if (!result.has("nothing_to_do")) {
      JsonNode report = JSON.readTree(folder.resolve(name).resolve(QualityReport.FILE).toFile());
      assertEquals(report, result.path("report"));
      assertTrue(cli.out().contains("2 too_short"), cli.out());
      return report;
    }
    assertTrue(cli.out().contains("nothing to do"), cli.out());
    return result;
  }

  @Test
  void duplicatesAndShortTextsAreLeftOutAndCounted() throws IOException {
    Path texts = texts();
    JsonNode equal = prepare(texts, "equal");
    assertEquals("{\"duplicate\":1,\"too_short\":2}", equal.path("dropped").toString());
    assertEquals(6, equal.path("documents").asInt());
    assertEquals(3, equal.path("keptDocuments").asInt());
    JsonNode alone = prepare(texts, "alone", "--token-files");
    for (String field :
        List.of(
            "documents", "characters", "keptDocuments", "keptCharacters", "tokens", "dropped")) {
      assertEquals(equal.path(field), alone.path(field), field);
    }
    assertTrue(equal.path("tokensPerSecondPerCore").asDouble() > 0);

    JsonNode near = prepare(texts, "near", "--near-duplicates", 0.9);
    assertEquals(
        "{\"duplicate\":1,\"near_duplicate\":1,\"too_short\":2}", near.path("dropped").toString());
    assertEquals(2, near.path("keptDocuments").asInt());
    JsonNode apart = prepare(texts, "apart", "--near-duplicates", 0.97);
    assertEquals(equal.path("dropped"), apart.path("dropped"));
  }

  @Test
  void whatIsFinishedIsNotMadeAgain() throws IOException {
    Path texts = texts();
    prepare(texts, "data", "--token-files");
    long written = modified();
    assertTrue(prepare(texts, "data", "--token-files").has("nothing_to_do"));
    assertEquals(written, modified());

    // Other settings or another text are another data set.
    Object[] command = {"prepare", "--input", texts, "--token-files", "--held-out", 0, "--output"};
    Cli other = Cli.run(SampleData.with(command, folder.resolve("data")));
    assertTrue(other.err().contains("exists and is not empty"), other.err());
    Files.writeString(texts.resolve("d.txt"), words(3, 301));
    Cli changed =
        Cli.run(
            SampleData.with(
                SampleData.with(command, folder.resolve("data")), "--min-characters", 100));
    assertTrue(changed.err().contains("exists and is not empty"), changed.err());
    prepare(texts, "data", "--token-files", "--overwrite");
    assertTrue(prepare(texts, "data", "--token-files").has("nothing_to_do"));
  }

  private long modified() throws IOException {
    return Files.getLastModifiedTime(folder.resolve("data").resolve("train.bin")).toMillis();
  }
}
