package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.LongText;
import org.sinklora.data.Tokenizer;

/** What large and uneven inputs bring: giant texts, many that are alike, full rows. */
class PrepareScaleTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final long SLOW_BYTES = 100 << 20;

  @TempDir private Path folder;

  private JsonNode prepare(String name, Path input, Object... more) throws IOException {
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.with(
            new Object[] {"prepare", "--input", input, "--held-out", 0, "--output", output}, more));
    return JSON.readTree(output.resolve(QualityReport.FILE).toFile());
  }

  private static String words(Random random, int count) {
    return random
        .ints(count, 0, 3000)
        .mapToObj(word -> "word" + word)
        .collect(Collectors.joining(" "));
  }

  private static String line(String text) {
    return JSON.createObjectNode().put("text", text) + "\n";
  }

  @Test
  void aGiantTextIsOneDocumentAndAnySparkReadsIt() throws IOException {
    Random random = new Random(1);
    String giant = words(random, LongText.SEGMENT / 5);
    Path input =
        Files.writeString(folder.resolve("texts.jsonl"), line("short") + line(giant) + line("two"));
    JsonNode report = prepare("data", input, "--master", "local[2]");
    assertEquals(1, report.path("longDocuments").asInt());
    assertEquals(3, report.path("keptDocuments").asInt());
    JsonNode info = JSON.readTree(folder.resolve("data").resolve(DataSetInfo.FILE).toFile());
    try (SparkSession spark = SparkSession.builder().master("local[1]").getOrCreate();
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      var train = spark.read().parquet(folder.resolve("data").resolve("train").toString());
      assertEquals("input_ids array<int>,document bigint", columns(train));
      assertEquals(info.at("/train/rows").asLong(), train.count());
      List<Row> rows = train.sort("document").collectAsList();
      String read =
          rows.stream()
              .map(row -> row.<Integer>getList(0).stream().mapToInt(id -> id).toArray())
              .map(tokenizer::decode)
              .filter(text -> text.length() > LongText.SEGMENT)
              .findFirst()
              .orElseThrow();
      assertEquals("<s>" + giant + "</s>", read);
      assertEquals(List.of(0L, 1L, 2L), rows.stream().map(row -> row.getLong(1)).toList());
    }
  }

  private static String columns(Dataset<Row> table) {
    return List.of(table.schema().fields()).stream()
        .map(field -> field.name() + " " + field.dataType().catalogString())
        .collect(Collectors.joining(","));
  }

  /** Hundreds of texts in the same buckets, each compared with few: one of a cluster stays. */
  @Test
  void ofManyThatAreAlikeOneStays() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int cluster = 0; cluster < 2; cluster++) {
      String[] words = words(new Random(cluster), 300).split(" ");
      for (int i = 0; i < 300; i++) {
        String[] changed = words.clone();
        changed[i] = "changed" + i;
        lines.append(line(String.join(" ", changed)));
      }
    }
    for (int i = 0; i < 400; i++) {
      lines.append(line("the same").repeat(i < 300 ? 1 : 0));
      lines.append(line(words(new Random(1000 + i), 40)));
    }
    Path input = Files.writeString(folder.resolve("texts.jsonl"), lines);
    JsonNode one = prepare("one", input, "--near-duplicates", 0.8, "--master", "local[1]");
    assertEquals("{\"duplicate\":299,\"near_duplicate\":598}", one.path("dropped").toString());
    assertEquals(2 + 1 + 400, one.path("keptDocuments").asInt());
    prepare("two", input, "--near-duplicates", 0.8, "--master", "local[2]");
    assertEquals(
        Files.readString(folder.resolve("one").resolve(DataSetInfo.FILE)),
        Files.readString(folder.resolve("two").resolve(DataSetInfo.FILE)));
  }

  /** Most conversations are short, some nearly fill a row. */
  @Test
  void conversationsFillTheirRows() throws IOException {
    Random random = new Random(1);
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 1500; i++) {
      int length = Math.min(200, 1 + (int) Math.exp(2.2 + 1.1 * random.nextGaussian()));
      lines.append(
          JSON.createObjectNode()
              .put("instruction", "Say number " + i)
              .put("output", words(random, length)));
      lines.append("\n");
    }
    Path input = Files.writeString(folder.resolve("texts.jsonl"), lines);
    Object[] options = {"--format", "alpaca", "--pack", 1024, "--master"};
    JsonNode one = prepare("one", input, SampleData.with(options, "local[1]"));
    assertTrue(one.path("packedFill").asDouble() >= 0.95, one.toString());
    prepare("two", input, SampleData.with(options, "local[2]"));
    assertEquals(
        Files.readString(folder.resolve("one").resolve(DataSetInfo.FILE)),
        Files.readString(folder.resolve("two").resolve(DataSetInfo.FILE)));
    try (SparkSession spark = SparkSession.builder().master("local[1]").getOrCreate()) {
      var train = spark.read().parquet(folder.resolve("one").resolve("train").toString());
      assertEquals(
          "input_ids array<int>,labels array<int>,pieces array<int>,document bigint",
          columns(train));
      long examples = train.collectAsList().stream().mapToLong(row -> row.getList(2).size()).sum();
      assertEquals(one.path("keptDocuments").asLong(), examples);
    }
  }

  /** 100 MB in 1 GiB of Java's memory: one file, a giant text, a third of it duplicates. */
  @Test
  @Tag("slow")
  void aHundredMegabytesInLittleMemory() throws IOException, InterruptedException {
    Path input = folder.resolve("texts.jsonl");
    Random random = new Random(1);
    long equal = 0;
    long near = 0;
    long documents = 1;
    try (BufferedWriter out = Files.newBufferedWriter(input)) {
      String giant = words(random, 2_500_000);
      out.write(line(giant));
      long bytes = giant.length();
      while (bytes < SLOW_BYTES) {
        String text = words(random, 20 + random.nextInt(20) * random.nextInt(100));
        out.write(line(text));
        int kind = random.nextInt(6);
        if (kind == 0) {
          out.write(line(text));
          equal++;
        } else if (kind == 1) {
          out.write(line(text + " one more"));
          near++;
        }
        documents += kind < 2 ? 2 : 1;
        bytes += (kind < 2 ? 2L : 1L) * text.length();
      }
    }
    Path log = folder.resolve("child.log");
    Path output = folder.resolve("data");
    Process process =
        ChildJvm.start(
            log,
            ChildJvm.command(
                "2g",
                SinkLora.class,
                "prepare",
                "--master",
                "local[2]",
                "--input",
                input,
                "--near-duplicates",
                0.5,
                "--pack",
                2048,
                "--output",
                output));
    assertTrue(process.waitFor(10, TimeUnit.MINUTES), "it takes minutes");
    assertEquals(0, process.exitValue(), Files.readString(log));
    JsonNode report = JSON.readTree(output.resolve(QualityReport.FILE).toFile());
    assertEquals(documents, report.path("documents").asLong());
    assertEquals(equal, report.at("/dropped/duplicate").asLong());
    assertEquals(near, report.at("/dropped/near_duplicate").asLong());
    assertEquals(1, report.path("longDocuments").asLong());
    assertTrue(report.at("/tokenizing/parts").asInt() >= 3, report.toString());
  }
}
