package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.Tokenizer;

/** Conversations from their files to a training that learns the answers alone. */
class SupervisedTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  private static List<Row> rows(Path data, Split split) throws IOException {
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      return spark
          .read()
          .parquet(data.resolve(split.folder()).toString())
          .sort("document")
          .collectAsList();
    }
  }

  private static int[] ints(Row row, String column) {
    return row.<Integer>getList(row.fieldIndex(column)).stream().mapToInt(i -> i).toArray();
  }

  /** Examples of different lengths, one longer than the others together. */
  private Path alpaca() throws IOException {
    ArrayNode examples = JSON.createArrayNode();
    for (int i = 0; i < 12; i++) {
      ObjectNode example = examples.addObject();
      example.put("instruction", "Count to " + i).put("input", i % 2 == 0 ? "" : "slowly");
      example.put("output", "one ".repeat(i == 11 ? 900 : 3 * i + 1) + i);
    }
    return Files.writeString(folder.resolve("alpaca.json"), examples.toPrettyString());
  }

  @Test
  void packedExamplesKeepTheirLabelsAndMasks() throws IOException {
    Path data = folder.resolve("data");
    Cli.succeed(
        "prepare",
        "--format",
        "alpaca",
        "--input",
        alpaca(),
        "--held-out",
        0,
        "--pack",
        300,
        "--output",
        data);
    assertEquals(
        "alpaca",
        JSON.readTree(data.resolve(DataSetInfo.FILE).toFile()).path("chatTemplate").asText());
    TreeSet<String> answers = new TreeSet<>();
    List<Row> rows = rows(data, Split.TRAIN);
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      for (Row row : rows) {
        int[] ids = ints(row, "input_ids");
        int[] labels = ints(row, "labels");
        assertTrue(ids.length <= 300);
        int at = 0;
        for (int length : ints(row, "pieces")) {
          assertEquals(tokenizer.bosId().getAsInt(), ids[at]);
          List<Integer> answer = new ArrayList<>();
          for (int end = at + length; at < end; at++) {
            if (labels[at] != LabelledTokens.IGNORED) {
              assertEquals(ids[at], labels[at]);
              answer.add(ids[at]);
            }
          }
          answers.add(tokenizer.decode(answer.stream().mapToInt(i -> i).toArray()));
        }
        assertEquals(ids.length, at);
      }
    }
    TreeSet<String> expected = new TreeSet<>();
    for (int i = 0; i < 11; i++) {
      expected.add("one ".repeat(3 * i + 1) + i + "</s>");
    }
    // The last example fits no row.
    assertEquals(expected, answers);
    assertTrue(rows.size() > 1 && rows.size() < 11);

    // What Spark's tasks and one process compute is the same, and it learns.
    double[] spark = losses("spark", data, "local[2]", 1);
    double[] alone = losses("alone", data, "none", 6);
    assertEquals(spark[0], alone[0], 1e-3);
    assertTrue(alone[5] < 0.8 * alone[0], alone[0] + " to " + alone[5]);
  }

  private double[] losses(String name, Path data, String master, int steps) throws IOException {
    Path json = folder.resolve(name + ".json");
    Cli.succeed(
        SampleData.train(
            folder.resolve(name),
            "--data",
            data,
            "--context",
            300,
            "--steps",
            steps,
            "--batch-size",
            2,
            "--master",
            master,
            "--json",
            json));
    return JSON.treeToValue(JSON.readTree(json.toFile()).path("losses"), double[].class);
  }

  @Test
  void aChatIsToldByATemplateFromAFile() throws IOException {
    Path chats =
        Files.writeString(
            folder.resolve("chats.jsonl"),
            "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"},"
                + " {\"role\": \"assistant\", \"content\": \"Hello.\"},"
                + " {\"role\": \"user\", \"content\": \"Bye\"},"
                + " {\"role\": \"assistant\", \"content\": \"See you.\"}]}\n");
    Path template =
        Files.writeString(
            folder.resolve("mine.jinja"),
            "{% for m in messages %}{{ '[' + m['role'] + ']' + m['content'] + eos_token }}{% endfor %}"
                + "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}");
    Path data = folder.resolve("data");
    Cli.succeed(
        "prepare",
        "--format",
        "chat",
        "--chat-template",
        template,
        "--input",
        chats,
        "--held-out",
        0,
        "--output",
        data);
    Row row = rows(data, Split.TRAIN).get(0);
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      assertEquals(
          "[user]Hi</s>[assistant]Hello.</s>[user]Bye</s>[assistant]See you.</s>",
          tokenizer.decode(ints(row, "input_ids")));
      int[] labels = ints(row, "labels");
      StringBuilder learnt = new StringBuilder();
      for (int label : labels) {
        learnt.append(label < 0 ? "_" : tokenizer.decode(new int[] {label}));
      }
      assertEquals("Hello.</s>See you.</s>", learnt.toString().replace("_", ""));
    }
    Cli tooShort =
        Cli.run(SampleData.train(folder.resolve("run"), "--data", data, "--context", 16));
    assertTrue(tooShort.err().contains("longest row of the data set has"), tooShort.err());
  }

  /** One task, or a task for each of many ranges: the same rows. */
  @Test
  void aFileInRangesGivesTheSameRows() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      lines
          .append(
              JSON.createObjectNode()
                  .put("instruction", "Count to " + i % 30)
                  .put("output", "one ".repeat(i % 30) + i % 30))
          .append("\n");
    }
    Path input = Files.writeString(folder.resolve("alpaca.jsonl"), lines);
    Storage storage = Storage.here();
    ModelSource model = ModelSource.of(BundledModel.NAME, storage);
    PreparationSettings settings =
        new PreparationSettings(
            model,
            new HeldOutSplit(0.3),
            0,
            0,
            Supervision.of("alpaca", "alpaca", model, storage),
            0);
    try (SparkSession spark = SparkSessions.open("test", "local[2]");
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      TextSources texts = TextSources.ofConversations(storage);
      texts.add(input.toString());
      Prepared whole =
          new Preparation(spark, settings)
              .write(texts, null, tokenizer, folder.resolve("whole").toString(), null, false);
      Prepared ranges =
          new Preparation(spark, settings, 500)
              .write(texts, null, tokenizer, folder.resolve("ranges").toString(), null, false);
      assertEquals(whole.info(), ranges.info());
      assertEquals(1, whole.report().tokenizing().parts());
      assertTrue(ranges.report().tokenizing().parts() > 4, ranges.report().describe());
      assertEquals(Map.of("duplicate", 10L), ranges.report().dropped());
    }
    for (Split split : Split.values()) {
      List<Row> expected = rows(folder.resolve("whole"), split);
      assertTrue(expected.size() > 5, split + ": " + expected.size());
      assertEquals(expected, rows(folder.resolve("ranges"), split));
    }
  }

  @Test
  void whatCanNotBeLearntIsNamed() throws IOException {
    Path chats =
        Files.writeString(
            folder.resolve("chats.jsonl"),
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hi\"}]}\n"
                + "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\"}]}\n");
    fails("chats.jsonl, line 2, message 1 is an empty answer", chats, "chat", "chatml");
    Path alpaca = alpaca();
    Cli tooLong =
        Cli.run(
            "prepare",
            "--input",
            alpaca,
            "--format",
            "alpaca",
            "--pack",
            16,
            "--output",
            folder.resolve("none"));
    assertEquals(1, tooLong.code());
    assertTrue(
        tooLong.err().contains("12 conversations is longer than --pack 16, the longest has "),
        tooLong.err());
    fails("has no chat_template; name one", chats, "chat", "model");
    fails("which is no file; choose llama2, alpaca, chatml", chats, "chat", "mine");
    fails("choose text, alpaca or chat", chats, "tables", "chatml");
    fails("is for conversations", chats, "text", "chatml");
    Path template =
        Files.writeString(folder.resolve("no.jinja"), "{{ raise_exception('not like that') }}");
    fails("chats.jsonl, line 1: The chat template", chats, "chat", template.toString());
    fails("not like that", chats, "chat", template.toString());
  }

  private void fails(String said, Path input, String format, String template) {
    Cli cli =
        Cli.run(
            "prepare",
            "--input",
            input,
            "--format",
            format,
            "--chat-template",
            template,
            "--output",
            folder.resolve("none"));
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains(said), cli.err());
  }
}
