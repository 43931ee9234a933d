package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.LabelledTokens;
import picocli.CommandLine;

/** Trainings on texts and conversations together, drawn by weight. */
class DataMixTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final int CONTEXT = 128;

  @TempDir private static Path shared;
  private static Path chats;

  @TempDir private Path folder;

  @BeforeAll
  static void prepareChats() throws IOException {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      ObjectNode chat = JSON.createObjectNode();
      var messages = chat.putArray("messages");
      messages.addObject().put("role", "user").put("content", "Say " + i + " " + i + " times");
      messages.addObject().put("role", "assistant").put("content", (i + " ").repeat(i + 1));
      lines.append(chat).append('\n');
    }
    Path input = Files.writeString(shared.resolve("chats.jsonl"), lines.toString());
    chats = shared.resolve("chats");
    Cli.succeed(
        "prepare",
        "--format",
        "chat",
        "--chat-template",
        "chatml",
        "--input",
        input,
        "--pack",
        CONTEXT,
        "--held-out",
        0,
        "--output",
        chats);
  }

  private static Object[] train(Path output, String mix, Object... flags) throws IOException {
    return SampleData.with(
        SampleData.train(
            output,
            "--data",
            SampleData.folder() + "," + chats,
            "--mix",
            mix,
            "--context",
            CONTEXT,
            "--batch-size",
            2,
            "--steps",
            6,
            "--checkpoint-every",
            2,
            "--json",
            output + ".json"),
        flags);
  }

  private static byte[] adapter(Path run) throws IOException {
    return Files.readAllBytes(run.resolve("adapter/adapter_model.safetensors"));
  }

  @Test
  void aResumedMixIsThatOfAStraightRun() throws IOException {
    Path straight = folder.resolve("straight");
    Cli.succeed(train(straight, "7,3"));
    JsonNode shares = JSON.readTree(Path.of(straight + ".json").toFile()).path("data");
    assertEquals(2, shares.size());
    assertEquals(chats.toString(), shares.path(1).path("data").asText());
    assertEquals(0.7, shares.path(0).path("weight").asDouble());
    long texts = shares.path(0).path("sequences").asLong();
    long conversations = shares.path(1).path("sequences").asLong();
    assertEquals(12, texts + conversations);
    assertTrue(texts > conversations && conversations > 0, shares.toString());
    assertEquals(texts * CONTEXT, shares.path(0).path("tokens").asLong());

    // As if it had been stopped behind the fourth step.
    byte[] expected = adapter(straight);
    FileTree.delete(straight.resolve("adapter"));
    FileTree.delete(straight.resolve("checkpoints/step-00000006"));
    Cli other = Cli.run(train(straight, "1,1", "--resume"));
    assertEquals(1, other.code());
    assertTrue(other.err().contains("data.weight"), other.err());
    Cli.succeed(train(straight, "0.7,0.3", "--resume"));
    assertArrayEquals(expected, adapter(straight));
    JsonNode resumed = JSON.readTree(Path.of(straight + ".json").toFile());
    assertEquals(4, resumed.path("resumed_at").asInt());
    assertEquals(shares, resumed.path("data"));
  }

  @Test
  void sequencesComeFromTheirSetHoweverStepsAreCut() throws IOException {
    DataMix mix =
        DataMix.of(List.of(SampleData.folder().toString(), chats.toString()), List.of(1.0, 2.0));
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      SparkPlace place = SparkPlace.of(spark);
      ModelSource model = ModelSource.of(BundledModel.NAME, place.storage());
      TrainingData data = TrainingData.open(place, mix, model);
      SequenceFeed feed = feed(data, model, 20, 4);
      List<Sequence> four = new ArrayList<>();
      for (int step = 0; step < 20; step++) {
        four.addAll(feed.step(step));
      }
      long supervised = 0;
      long[] tokens = new long[2];
      for (Sequence sequence : four) {
        boolean chat =
            Arrays.stream(sequence.labels()).anyMatch(label -> label == LabelledTokens.IGNORED);
        supervised += chat ? 1 : 0;
        tokens[chat ? 1 : 0] += sequence.tokens().length;
      }
      JsonNode shares = feed.shares();
      assertEquals(supervised, shares.path(1).path("sequences").asLong());
      assertEquals(tokens[0], shares.path(0).path("tokens").asLong());
      assertEquals(tokens[1], shares.path(1).path("tokens").asLong());
      assertEquals(80 * 2 / 3.0, supervised, 4 * Math.sqrt(80 * 2 / 9.0));
      // Every document of the run has a number of its own.
      assertEquals(80, four.stream().mapToLong(Sequence::firstPiece).distinct().count());

      SequenceFeed again = feed(data, model, 40, 2);
      for (int step : new int[] {37, 17, 18, 0}) {
        List<Sequence> two = again.step(step);
        for (int i = 0; i < 2; i++) {
          Sequence expected = four.get(2 * step + i);
          assertArrayEquals(expected.tokens(), two.get(i).tokens());
          assertArrayEquals(expected.labels(), two.get(i).labels());
          assertEquals(expected.firstPiece(), two.get(i).firstPiece());
        }
      }
    }
  }

  private static SequenceFeed feed(TrainingData data, ModelSource model, int steps, int batch) {
    TrainOptions options =
        CommandLine.populateCommand(
            new TrainOptions(),
            "--context=" + CONTEXT,
            "--steps=" + steps,
            "--batch-size=" + batch);
    return new SequenceFeed(data, options.resolve(BundledModel.NAME, model.config()));
  }

  @Test
  void aSettingsFileListsThem() throws IOException {
    Path file =
        Files.writeString(
            folder.resolve("train.yaml"),
            "data: [%s, %s]%nmix: [0.5, 0.5]%n"
                .formatted(folder.resolve("a"), folder.resolve("b")));
    Path texts = Files.writeString(folder.resolve("a"), "one text");
    Cli cli =
        Cli.run("train", "--config", file, "--output", folder.resolve("run"), "--master", "none");
    // The first is opened, the second is missed.
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("There is no data set " + folder.resolve("b")), cli.err());
    assertTrue(Files.exists(texts));
  }

  @Test
  void whatDoesNotFitIsNamed() throws IOException {
    refused("--mix has 3 weights for 2 data sets", "--mix", "1,2,3");
    refused("the weight 0.0; choose a number above 0", "--mix", "1,0");
    refused("the weight -1.0; choose a number above 0", "--mix", "-1,2");
    refused("the weight NaN; choose a number above 0", "--mix", "NaN,2");
    refused(
        "There is no data set " + folder.resolve("none"),
        "--data",
        "%s,%s".formatted(chats, folder.resolve("none")));
    refused(chats + ": The longest row", "--context", "64", "--group-size", "16");
    Cli words = Cli.run(train(folder.resolve("run"), "much,little"));
    assertEquals(2, words.code());
    assertTrue(words.err().contains("'much' is not a double"), words.err());
  }

  private void refused(String said, String... more) throws IOException {
    Cli cli = Cli.run(overridden(more));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains(said), cli.err());
  }

  private Object[] overridden(String... more) throws IOException {
    List<Object> options =
        new ArrayList<>(List.of("--data", SampleData.folder() + "," + chats, "--mix", "7,3"));
    options.addAll(List.of(more));
    return SampleData.train(folder.resolve("run"), options.toArray());
  }
}
