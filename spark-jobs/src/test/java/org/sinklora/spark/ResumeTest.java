package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;

/** A run that is killed and resumed ends with the same adapter, byte for byte. */
class ResumeTest {
  private static final Object[] SETTINGS = {
    "--master", "local[2]", "--steps", "9", "--checkpoint-every", "2"
  };

  @TempDir private Path folder;

  @Test
  void aKilledRunGoesOnAsIfNothingHadBeen() throws IOException, InterruptedException {
    Path straight = folder.resolve("straight");
    Cli.succeed(SampleData.train(straight, SETTINGS));

    Path killed = folder.resolve("killed");
    Process process =
        ChildJvm.start(
            folder.resolve("child.log"),
            ChildJvm.command("2g", SinkLora.class, SampleData.train(killed, SETTINGS)));
    // In the middle of the sixth step: behind the second checkpoint, before the third.
    waitForLines(killed.resolve("metrics.jsonl"), 5, process);
    process.destroyForcibly();
    assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    assertFalse(Files.exists(killed.resolve("adapter")), "it had come to its end");

    Cli.succeed(SampleData.with(SampleData.train(killed, SETTINGS), "--resume"));
    for (String file : List.of("adapter_model.safetensors", "adapter_config.json")) {
      assertArrayEquals(
          Files.readAllBytes(straight.resolve("adapter").resolve(file)),
          Files.readAllBytes(killed.resolve("adapter").resolve(file)),
          file);
    }
    assertEquals(9, Files.readAllLines(killed.resolve("metrics.jsonl")).size());
    List<EventFile.Event> events = EventFile.readAll(killed.resolve("tensorboard"));
    assertEquals(9, events.get(events.size() - 1).step());
    assertEquals(2, events.stream().filter(event -> event.status() == 1).count(), "starts");

    // Only the newest stay, and nothing half-written.
    assertEquals(
        List.of("step-00000008", "step-00000009"),
        SampleData.names(killed.resolve("checkpoints")).stream()
            .filter(name -> !name.startsWith("."))
            .toList());

    Cli another =
        Cli.run(SampleData.with(SampleData.train(killed, SETTINGS), "--resume", "--rank", "4"));
    assertEquals(1, another.code());
    assertTrue(another.err().contains("is of another run"), another.err());
    assertTrue(another.err().contains("settings.lora.rank = 8"), another.err());
  }

  @Test
  void aFinishedRunGoesOnWithMoreStepsAndOtherMemory() throws IOException {
    Path straight = folder.resolve("straight");
    Cli.succeed(SampleData.train(straight, "--master", "local[2]", "--steps", 5));

    Path longer = folder.resolve("longer");
    Cli.succeed(SampleData.train(longer, "--master", "local[2]", "--steps", 3));
    Object[] five = {"--master", "local[2]", "--steps", 5, "--gradient-checkpointing", "true"};
    Cli.succeed(SampleData.with(SampleData.train(longer, five), "--resume"));
    String weights = "adapter/adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(straight.resolve(weights)), Files.readAllBytes(longer.resolve(weights)));
    assertEquals(5, Files.readAllLines(longer.resolve("metrics.jsonl")).size());
    String record = Files.readString(longer.resolve(RunRecord.FILE));

    refused(longer, "is of step 5, and this run has 4 steps; choose 5 or more", "--steps", 4);
    // The learning rate of the first steps would have been another.
    refused(longer, "settings.optimizer.steps", "--steps", 9, "--schedule", "cosine");
    refused(longer, "fullAttentionTail", "--steps", 9, "--full-attention-tail", 0.5);
    assertEquals(record, Files.readString(longer.resolve(RunRecord.FILE)));
  }

  @Test
  void aRoundThatTheEndCutShortIsNotGoneOnWith() throws IOException {
    Path run = folder.resolve("run");
    Object[] rounds = {"--master", "none", "--sync-every", 2, "--workers", 2};
    Cli.succeed(SampleData.train(run, SampleData.with(rounds, "--steps", 3)));
    Object[] five = SampleData.with(rounds, "--steps", 5);
    refused(run, "not a multiple of --sync-every 2", five);
    // Without a step to do it is what it was.
    Object[] again = SampleData.train(run, SampleData.with(rounds, "--steps", 3));
    Cli.succeed(SampleData.with(again, "--resume"));
  }

  @Test
  void aSlashBehindTheModelMakesNoOtherRun() throws IOException {
    Path run = folder.resolve("run");
    String model = BundledModel.folder().toString();
    Cli.succeed(SampleData.trainBriefly(run, "--steps", 1, "--model", model));
    Object[] more = SampleData.trainBriefly(run, "--steps", 2, "--model", model + "/");
    Cli.succeed(SampleData.with(more, "--resume"));

    ObjectNode older = new JsonMapper().createObjectNode().put("model", model + "/");
    TrainSettings.completeJson(older);
    assertEquals(model, older.path("model").asText());
  }

  private static void refused(Path run, String said, Object... options) throws IOException {
    Cli cli = Cli.run(SampleData.with(SampleData.train(run, options), "--resume"));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains(said), cli.err());
  }

  /** The kill comes while the files of the second checkpoint are written. */
  @Test
  void aRunThatIsKilledWhileItWritesACheckpoint() throws IOException, InterruptedException {
    Path straight = folder.resolve("straight");
    Cli.succeed(SampleData.trainBriefly(straight));

    Path killed = folder.resolve("killed");
    Path mark = folder.resolve("mark");
    List<String> command = ChildJvm.command("2g", SinkLora.class, SampleData.trainBriefly(killed));
    command.replaceAll(word -> word.equals(killed.toString()) ? "faulty:" + killed : word);
    command.add(1, "-D%s=%s".formatted(FaultyFileSystem.STALLED_MARK, mark));
    command.add(1, "-D%s=%s".formatted(FaultyFileSystem.STALLED, "step-00000002"));
    Process process = ChildJvm.start(folder.resolve("child.log"), command);
    while (!Files.exists(mark)) {
      assertTrue(process.isAlive(), () -> "ended early: " + read(folder.resolve("child.log")));
      Thread.sleep(20);
    }
    process.destroyForcibly();
    assertTrue(process.waitFor(1, TimeUnit.MINUTES));
    List<String> left = SampleData.names(killed.resolve("checkpoints"));
    assertEquals(2, left.size(), left.toString());
    assertTrue(left.get(0).matches("\\._step-00000002\\..*\\.tmp"), left.toString());
    assertEquals("step-00000001", left.get(1));

    Path json = folder.resolve("result.json");
    Cli.succeed(SampleData.with(SampleData.trainBriefly(killed), "--resume", "--json", json));
    assertEquals(1, new JsonMapper().readTree(json.toFile()).path("resumed_at").asInt());
    String weights = "adapter/adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(straight.resolve(weights)), Files.readAllBytes(killed.resolve(weights)));
    assertEquals(
        List.of("step-00000002", "step-00000003"), SampleData.names(killed.resolve("checkpoints")));
  }

  private void waitForLines(Path file, int lines, Process process)
      throws IOException, InterruptedException {
    while (!Files.exists(file) || Files.readAllLines(file).size() < lines) {
      assertTrue(process.isAlive(), () -> "ended early: " + read(folder.resolve("child.log")));
      Thread.sleep(20);
    }
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
