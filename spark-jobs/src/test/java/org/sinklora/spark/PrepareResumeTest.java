package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A preparation that is killed goes on where it stood, and new inputs alone are new work. */
class PrepareResumeTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final int FILES = 4;

  @TempDir private Path folder;

  /** Files whose words are their own, but for a text that all have. */
  private Path texts(int files, int documents) throws IOException {
    Path texts = Files.createDirectories(folder.resolve("texts"));
    for (int file = 0; file < files; file++) {
      Random random = new Random(file);
      String lines =
          Stream.generate(
                  () ->
                      random
                          .ints(100, 0, 100_000)
                          .mapToObj(word -> "w" + word)
                          .collect(Collectors.joining(" ", "{\"text\": \"", "\"}\n")))
              .limit(documents)
              .collect(Collectors.joining("", "{\"text\": \"in every file\"}\n", ""));
      Path path = texts.resolve("%d.jsonl".formatted(file));
      if (!Files.exists(path)) {
        Files.writeString(path, lines);
      }
    }
    return texts;
  }

  private Object[] command(String name, Object... more) {
    Object[] command = {
      "prepare",
      "--master",
      "local[1]",
      "--input",
      folder.resolve("texts"),
      "--output",
      folder.resolve(name)
    };
    return SampleData.with(command, more);
  }

  private JsonNode report(String name) throws IOException {
    return JSON.readTree(folder.resolve(name).resolve(QualityReport.FILE).toFile());
  }

  private List<Path> parts(String name) throws IOException {
    Path parts = Path.of(TokenParts.folder(folder.resolve(name).toString()));
    if (!Files.exists(parts)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(parts)) {
      return files.filter(file -> file.toString().matches(".*/[0-9a-f]+\\.parquet")).toList();
    }
  }

  private List<Row> rows(String name) throws IOException {
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      return spark.read().parquet(folder.resolve(name).resolve("train").toString()).collectAsList();
    }
  }

  @Test
  void aKilledPreparationGoesOn() throws IOException, InterruptedException {
    texts(FILES, 1500);
    Cli.succeed(command("straight"));
    assertEquals(0, report("straight").at("/tokenizing/partsFound").asInt());

    Path log = folder.resolve("child.log");
    Process process =
        ChildJvm.start(log, ChildJvm.command("1g", SinkLora.class, command("killed")));
    while (parts("killed").isEmpty()) {
      assertTrue(process.isAlive(), () -> read(log));
      Thread.sleep(5);
    }
    process.destroyForcibly();
    assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    assertFalse(Files.exists(folder.resolve("killed")), "it had come to its end");
    int finished = parts("killed").size();
    assertTrue(finished < FILES, finished + " parts were finished");

    Cli resumed = Cli.succeed(command("killed"));
    assertEquals(FILES, report("killed").at("/tokenizing/parts").asInt());
    assertEquals(finished, report("killed").at("/tokenizing/partsFound").asInt());
    assertTrue(
        resumed.out().contains("%d of %d parts were there".formatted(finished, FILES)),
        resumed.out());
    assertEquals(
        Files.readString(folder.resolve("straight").resolve(DataSetInfo.FILE)),
        Files.readString(folder.resolve("killed").resolve(DataSetInfo.FILE)));
    assertEquals(rows("straight"), rows("killed"));
    assertEquals(List.of(), parts("killed"));
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  @Test
  void newInputsAloneAreTokenised() throws IOException {
    texts(3, 20);
    Cli.succeed(command("data", "--keep-parts"));
    assertEquals(3, parts("data").size());
    // A part that a crash of the machine cut off is made again.
    Path torn = parts("data").get(0);
    Files.write(torn, new byte[] {1, 2, 3});

    texts(4, 20);
    Cli.succeed(command("data", "--keep-parts", "--overwrite"));
    JsonNode report = report("data");
    assertEquals(4, report.at("/tokenizing/parts").asInt());
    assertEquals(2, report.at("/tokenizing/partsFound").asInt());
    assertEquals("{\"duplicate\":3}", report.path("dropped").toString());
    Cli.succeed(command("fresh"));
    assertEquals(
        Files.readString(folder.resolve("fresh").resolve(DataSetInfo.FILE)),
        Files.readString(folder.resolve("data").resolve(DataSetInfo.FILE)));

    // Texts that another choice takes out are taken out of the parts.
    Cli.succeed(command("data", "--keep-parts", "--overwrite", "--min-characters", 20));
    assertEquals("{\"too_short\":4}", report("data").path("dropped").toString());
  }
}
