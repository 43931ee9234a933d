package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.SequencePacker;
import org.sinklora.data.Tokenizer;

/** Data sets: every input format, the split, packing; the same however the work is cut. */
class PrepareTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  private Path prepare(String name, Path input, Object... more) {
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.with(new Object[] {"prepare", "--input", input, "--output", output}, more));
    return output;
  }

  private static List<List<Integer>> rows(Path data, Split split) throws IOException {
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      List<List<Integer>> rows = new ArrayList<>();
      spark
          .read()
          .parquet(data.resolve(split.folder()).toString())
          .sort("document")
          .collectAsList()
          .forEach(row -> rows.add(new ArrayList<>(row.getList(0))));
      return rows;
    }
  }

  private static List<String> texts(Path data, Split split) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      return rows(data, split).stream()
          .map(ids -> tokenizer.decode(ids.stream().mapToInt(Integer::intValue).toArray()))
          .toList();
    }
  }

  @Test
  void theResultDoesNotDependOnHowTheWorkIsCut() throws IOException {
    Object[] options = {"--extensions", ".java", "--held-out", "0.3", "--master"};
    Path one = prepare("one", SampleData.SOURCES, SampleData.with(options, "local[1]"));
    Path two = prepare("two", SampleData.SOURCES, SampleData.with(options, "local[2]"));
    assertEquals(rows(one, Split.TRAIN), rows(two, Split.TRAIN));
    assertEquals(rows(one, Split.HELD_OUT), rows(two, Split.HELD_OUT));
    assertEquals(
        JSON.readTree(one.resolve(DataSetInfo.FILE).toFile()),
        JSON.readTree(two.resolve(DataSetInfo.FILE).toFile()));
    int all = rows(one, Split.TRAIN).size() + rows(one, Split.HELD_OUT).size();
    try (var files = Files.walk(SampleData.SOURCES)) {
      assertEquals(files.filter(Files::isRegularFile).count(), all);
    }
    assertTrue(rows(one, Split.HELD_OUT).size() > all / 10);
  }

  @Test
  void everyFormatIsRead() throws IOException {
    Path inputs = Files.createDirectory(folder.resolve("inputs"));
    Files.writeString(inputs.resolve("plain.txt"), "a plain text\r\n");
    Files.writeString(
        inputs.resolve("lines.jsonl"),
        "{\"text\": \"the first line\"}\n\n{\"text\": \"second\"}\n");
    String source =
        "class Source {}\n" + "// a comment of some length, again and again\n".repeat(40);
    try (OutputStream out = Files.newOutputStream(inputs.resolve("some-sources.jar"));
        ZipOutputStream jar = new ZipOutputStream(out)) {
      jar.putNextEntry(new ZipEntry("org/Source.java"));
      jar.write(source.getBytes(StandardCharsets.UTF_8));
    }
    try (SparkSession spark = SparkSessions.open("test", "local[1]")) {
      spark
          .createDataset(List.of("from a table"), Encoders.STRING())
          .toDF("text")
          .write()
          .parquet(inputs.resolve("table.parquet").toString());
    }
    Path data = prepare("data", inputs, "--held-out", "0");
    assertEquals(
        new TreeSet<>(
            List.of(
                "<s>a plain text\n</s>",
                "<s>the first line</s>",
                "<s>second</s>",
                "<s>from a table</s>",
                "<s>" + source + "</s>")),
        new TreeSet<>(texts(data, Split.TRAIN)));
    assertEquals(0, rows(data, Split.HELD_OUT).size());
  }

  @Test
  void foldersAreTakenByTheirNamesNotAsPatterns() throws IOException {
    Path odd = Files.createDirectory(folder.resolve("a b ü [1] {x,y} 100% #1, what?*"));
    Path text = Files.writeString(odd.resolve("a[2].txt"), "one two three ".repeat(100));
    Path data = odd.resolve("data");
    Cli.succeed("prepare", "--input", text, "--held-out", 0, "--output", data);
    Cli.succeed(
        SampleData.train(
            odd.resolve("run"),
            "--data",
            data,
            "--master",
            "local[1]",
            "--context",
            64,
            "--group-size",
            16,
            "--batch-size",
            1,
            "--steps",
            1));
    assertTrue(Files.exists(odd.resolve("run/adapter/adapter_config.json")));
  }

  @Test
  void packedSequencesHoldEveryDocumentOnce() throws IOException {
    Path whole = prepare("whole", SampleData.SOURCES, "--extensions", ".java", "--held-out", "0");
    Path packed =
        prepare(
            "packed",
            SampleData.SOURCES,
            "--extensions",
            ".java",
            "--held-out",
            "0",
            "--pack",
            300);
    List<Integer> expected = new ArrayList<>();
    rows(whole, Split.TRAIN).forEach(row -> expected.addAll(row.subList(1, row.size())));
    List<Integer> found = new ArrayList<>();
    List<List<Integer>> sequences = rows(packed, Split.TRAIN);
    for (List<Integer> row : sequences) {
      assertTrue(row.size() == 300 || row == sequences.get(sequences.size() - 1));
      assertEquals(1, row.get(0));
      int[] ids = row.stream().mapToInt(Integer::intValue).toArray();
      int start = 0;
      for (int length : SequencePacker.pieces(ids, 1)) {
        found.addAll(row.subList(start + 1, start + length));
        start += length;
      }
    }
    assertEquals(expected, found);
    Cli.succeed(
        SampleData.train(folder.resolve("run"), "--data", packed, "--context", 300, "--steps", 2));
  }

  @Test
  void shortTextsFillNoSequenceAndAreNotLost() throws IOException {
    Path text = Files.writeString(folder.resolve("short.txt"), "A short text of a few words.");
    Path json = folder.resolve("result.json");
    Path packed = prepare("packed", text, "--held-out", 0, "--pack", 4096, "--json", json);
    Path whole = prepare("whole", text, "--held-out", 0);
    List<List<Integer>> rows = rows(packed, Split.TRAIN);
    assertEquals(rows(whole, Split.TRAIN), rows);
    JsonNode result = JSON.readTree(json.toFile());
    assertEquals(
        rows.get(0).size() / 4096.0, result.at("/report/packedFill").asDouble(), 1e-9, "fill");
    Path run = folder.resolve("run");
    Cli.succeed(
        SampleData.train(
            run, "--data", packed, "--context", 4096, "--steps", 1, "--batch-size", 2));
    // What is held out is not there to be packed.
    Cli cli =
        Cli.run(
            "prepare",
            "--input",
            text,
            "--held-out",
            0.9999,
            "--pack",
            4096,
            "--output",
            folder.resolve("none"));
    assertEquals(1, cli.code(), cli.out());
    assertTrue(cli.err().contains("of 1 documents, 1 are held out (--held-out 0.9999)"), cli.err());
    assertTrue(Files.notExists(folder.resolve("none")));
  }
}
