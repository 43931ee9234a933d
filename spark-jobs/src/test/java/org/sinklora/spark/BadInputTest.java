package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import picocli.CommandLine;

/** What is wrong is said in one line with the way out; nothing is lost. */
class BadInputTest {
  @TempDir private Path folder;

  private static void fails(Cli cli, String... said) {
    assertEquals(1, cli.code(), cli.err());
    List<String> lines = cli.err().lines().filter(line -> line.startsWith("sinklora: ")).toList();
    assertEquals(1, lines.size(), cli.err());
    assertFalse(cli.err().contains("\tat "), cli.err());
    for (String words : said) {
      assertTrue(lines.get(0).contains(words), words + " in: " + lines.get(0));
    }
  }

  private Cli prepare(Path input, Object... more) {
    return Cli.run(
        SampleData.with(
            new Object[] {"prepare", "--input", input, "--output", folder.resolve("data")}, more));
  }

  @Test
  void inputsThatAreMissingEmptyOrMalformed() throws IOException {
    fails(prepare(folder.resolve("nowhere")), "nowhere does not exist");
    Path empty = Files.createDirectory(folder.resolve("empty"));
    fails(prepare(empty), "no file that ends with one of .txt, .md", "--extensions");
    Files.writeString(empty.resolve("nothing.txt"), "");
    fails(prepare(empty), "is empty");
    Path json = Files.writeString(folder.resolve("a.jsonl"), "{\"body\": \"x\"}\n");
    fails(prepare(json), "a.jsonl, the line at byte 0, has no text in the field 'text'", "body");
    Files.writeString(json, "{\"text\": \"x\"}\n{\"text\"");
    fails(prepare(json), "is no JSON object");
    Files.writeString(json, "{\"text\": \"x\"}{\"text\": \"y\"}\n");
    fails(prepare(json), "the line at byte 0, is no JSON object", "nothing else on the line");
    Files.writeString(json, "{\"text\": \"zw\u00f6lf\"}\n", StandardCharsets.ISO_8859_1);
    fails(prepare(json), "the line at byte 0, is not UTF-8 at byte", "iconv");
    Path binary = Files.write(folder.resolve("b.txt"), new byte[] {'a', (byte) 0xff, 'b'});
    fails(prepare(binary), "b.txt", "UTF-8", "iconv");
    Path cut = Files.writeString(folder.resolve("d.parquet"), "PAR1 and no footer PAR1");
    fails(prepare(cut), "d.parquet can't be read as Parquet (", "copy it again");
    fails(prepare(cut, "--master", "none"), "--master is none", "--token-files");
    Path jar = Files.writeString(folder.resolve("c.jar"), "no jar");
    fails(prepare(jar), "is no jar");
    assertFalse(Files.exists(folder.resolve("data")));
  }

  @Test
  void outputFoldersThatExist() throws IOException {
    Path output = folder.resolve("data");
    Files.createDirectory(output);
    Path precious = Files.writeString(output.resolve("precious.txt"), "text");
    Path text = Files.writeString(folder.resolve("text.txt"), "some text ".repeat(100));
    fails(prepare(text), "exists and is not empty", "--overwrite");
    fails(prepare(text, "--overwrite"), "was not written by this command");
    fails(Cli.run(SampleData.train(output)), "exists and is not empty", "--overwrite");
    assertEquals("text", Files.readString(precious));
  }

  @Test
  void dataThatDoesNotFit() throws IOException {
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--data", folder.resolve("none"))),
        "There is no data set",
        "sinklora prepare");
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--context", 200_000)),
        "No document has 200,000 tokens: the longest of",
        "choose a shorter context");
    assertFalse(Files.exists(folder.resolve("run")));
    fails(
        Cli.run("eval", "perplexity", "--data", SampleData.folder(), "--lengths", "200000"),
        "No document has 200,000 tokens",
        "--lengths");
  }

  @Test
  void partsOfADataSetThatWereLost() throws IOException {
    Path data = folder.resolve("data");
    Path train = Files.createDirectories(data.resolve("train"));
    Files.copy(SampleData.folder().resolve(DataSetInfo.FILE), data.resolve(DataSetInfo.FILE));
    Object[] command = SampleData.train(folder.resolve("run"), "--data", data);
    String said = "beside it says " + rows(data);
    fails(Cli.run(command), "train has no Parquet file", said, "prepare the data set again");
    List<String> parts = new ArrayList<>(SampleData.names(SampleData.folder().resolve("train")));
    parts.removeIf(name -> !name.endsWith(".parquet"));
    assertTrue(parts.size() > 1, parts.toString());
    Path part = train.resolve(parts.get(0));
    Files.copy(SampleData.folder().resolve("train").resolve(parts.get(0)), part);
    fails(Cli.run(command), "train has ", " rows of ", said, "prepare the data set again");
    Files.delete(train.resolve(parts.get(0)));
    Files.delete(train);
    fails(Cli.run(command), "train has no Parquet file", said);
  }

  @Test
  void anInfoFileThatSaysNothing() throws IOException {
    for (String json : List.of("{}", "null", "{\"layout\": \"documents\"}")) {
      Files.writeString(folder.resolve(DataSetInfo.FILE), json);
      fails(
          Cli.run(SampleData.train(folder.resolve("run"), "--data", folder)),
          DataSetInfo.FILE + " is damaged",
          "prepare the data set again");
    }
  }

  /** Of a text that the heap does not take. */
  @Test
  void memoryThatIsShortForTexts() {
    StringWriter err = new StringWriter();
    CommandLine prepare = new CommandLine(new Prepare()).setErr(new PrintWriter(err));
    new FailureReport()
        .handleExecutionException(
            new ExecutionException(new OutOfMemoryError("Java heap space")),
            prepare,
            prepare.parseArgs("--input", "a", "--output", "b"));
    assertTrue(err.toString().contains("Out of memory (Java heap space)"), err.toString());
    assertTrue(err.toString().contains("SINKLORA_JAVA_OPTS=-Xmx"), err.toString());
    assertFalse(err.toString().contains("context"), err.toString());
  }

  private static String rows(Path data) throws IOException {
    DataSetInfo.Part train = DataSetInfo.read(Storage.here(), data.toString()).train();
    return "%,d rows of %,d tokens".formatted(train.rows(), train.tokens());
  }

  @Test
  void moreTasksThanSequences() throws IOException {
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--partitions", 7, "--batch-size", 4)),
        "--partitions is 7, but a step has only 4 sequences",
        "choose 4 or less");
    assertFalse(Files.exists(folder.resolve("run")));
  }

  @Test
  void aTokenizerThatDoesNotFit() throws IOException {
    // The data set was made with another tokenizer than the model's.
    Path other = copyOfModel("other");
    Files.writeString(other.resolve("tokenizer_config.json"), "{\"bos_token\": null}");
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--model", other)),
        "prepared with the tokenizer of javalm-5m",
        "prepare it again");

    // The tokenizer has more ids than the model.
    Path small = copyOfModel("small");
    Path json = small.resolve("config.json");
    Files.writeString(
        json, Files.readString(json).replaceAll("\"vocab_size\": *2048", "\"vocab_size\": 1024"));
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--model", small)),
        "2,048 ids, but the model's embedding only 1,024");
  }

  private Path copyOfModel(String name) throws IOException {
    Path copy = Files.createDirectory(folder.resolve(name));
    try (Stream<Path> files = Files.list(BundledModel.folder())) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName().toString()));
      }
    }
    return copy;
  }

  @Test
  void idsOutsideTheVocabulary() throws IOException {
    Path data = folder.resolve("ids");
    try (SparkSession spark = SparkSessions.open("test", "local[1]")) {
      for (Split split : Split.values()) {
        spark
            .read()
            .parquet(SampleData.folder().resolve("train").toString())
            .selectExpr("transform(input_ids, x -> x + 1000) AS input_ids", "document")
            .write()
            .parquet(data.resolve(split.folder()).toString());
      }
    }
    Files.copy(SampleData.folder().resolve(DataSetInfo.FILE), data.resolve(DataSetInfo.FILE));
    fails(
        Cli.run(SampleData.train(folder.resolve("run"), "--data", data)),
        "holds id",
        "outside the 2,048 of the model",
        "prepare it again");
  }

  /** What Spark says when it has given up; to wait for that takes a minute. */
  @Test
  void aMasterThatDoesNotAnswer() {
    JavaSparkContext ended = SparkSessions.context(SparkSessions.open("test", "local[1]"));
    ended.close();
    IllegalStateException sparks =
        assertThrows(IllegalStateException.class, () -> ended.parallelize(List.of(0)));
    assertEquals(
        "The master spark://a:7077 did not answer, or did not take this application; check that it runs and that host and port are those of the URL on its page and in its log, or choose another --master (local[*] is this machine)",
        FailureReport.describe(SparkSessions.explained(sparks, "spark://a:7077")));
    IllegalStateException other = new IllegalStateException("another");
    assertEquals(other, SparkSessions.explained(other, "spark://a:7077"));
  }

  /** The limit on the size of a file stands for a full disk: writing fails half-way. */
  @Test
  void aFullDisk() throws IOException, InterruptedException {
    Path output = folder.resolve("run");
    Object[] command =
        SampleData.train(
            output,
            "--steps",
            2,
            "--checkpoint-every",
            1,
            "--batch-size",
            1,
            "--master",
            "local[1]");
    List<String> child = ChildJvm.command("2g", SinkLora.class, command);
    String line = "ulimit -f 2000; exec \"$@\"";
    List<String> limited = new ArrayList<>(List.of("bash", "-c", line, "bash"));
    limited.addAll(child);
    limited.addAll(limited.size() - child.size() + 1, List.of("-XX:-UsePerfData"));
    Path log = folder.resolve("child.log");
    Process process = ChildJvm.start(log, limited);
    assertTrue(process.waitFor(3, TimeUnit.MINUTES));
    String said = Files.readString(log);
    assertEquals(1, process.exitValue(), said);
    assertTrue(said.contains("the disk is full or a limit is reached"), said);
    assertTrue(said.contains("--resume"), said);
    assertFalse(Files.exists(output.resolve("adapter")));

    // With room again it goes on.
    Cli.succeed(SampleData.with(command, "--resume"));
    assertTrue(Files.exists(output.resolve("adapter/adapter_model.safetensors")));
  }
}
