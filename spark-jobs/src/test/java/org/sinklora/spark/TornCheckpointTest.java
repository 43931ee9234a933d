package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A checkpoint that is not whole is never loaded: the run goes on from the newest that is. */
class TornCheckpointTest {
  private static final String ADAPTER = "adapter_model.safetensors";

  @TempDir private Path folder;
  private Path run;
  private byte[] adapter;

  @BeforeEach
  void train() throws IOException {
    run = folder.resolve("run");
    Cli.succeed(command());
    adapter = Files.readAllBytes(run.resolve("adapter").resolve(ADAPTER));
    assertEquals(List.of("step-00000001", "step-00000002", "step-00000003"), checkpoints());
  }

  private Object[] command() throws IOException {
    return SampleData.trainBriefly(
        run, "--keep-checkpoints", 3, "--json", folder.resolve("result.json"));
  }

  private Path checkpoint(int step) {
    return run.resolve("checkpoints/step-%08d".formatted(step));
  }

  private List<String> checkpoints() throws IOException {
    return SampleData.names(run.resolve("checkpoints"));
  }

  /** What the resumed run said on standard error. */
  private String resume(int expectedStart, Object... more) throws IOException {
    PrintStream before = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      Cli.succeed(SampleData.with(SampleData.with(command(), "--resume"), more));
    } finally {
      System.setErr(before);
    }
    assertEquals(
        expectedStart,
        new JsonMapper()
            .readTree(folder.resolve("result.json").toFile())
            .path("resumed_at")
            .asInt());
    assertArrayEquals(adapter, Files.readAllBytes(folder.resolve("run/adapter").resolve(ADAPTER)));
    return said.toString(StandardCharsets.UTF_8);
  }

  private static void truncate(Path file) throws IOException {
    byte[] bytes = Files.readAllBytes(file);
    Files.write(file, Arrays.copyOf(bytes, bytes.length / 2));
  }

  @Test
  void theNewestWholeOneIsTaken() throws IOException {
    truncate(checkpoint(3).resolve("optimizer.safetensors"));
    Files.delete(checkpoint(2).resolve(CheckpointManifest.FILE));
    String said = resume(1);
    assertTrue(said.contains("Skipping checkpoint step-00000003: optimizer.safetensors has"), said);
    assertTrue(said.contains("Skipping checkpoint step-00000002: it has no sinklora_man"), said);
    assertTrue(said.contains("Continuing from checkpoint step-00000001"), said);
    // They were written anew.
    assertEquals(List.of("step-00000001", "step-00000002", "step-00000003"), checkpoints());
    assertTrue(resume(3).contains("Continuing from checkpoint step-00000003"));
  }

  @Test
  void withoutAWholeOneTheRunBeginsAgain() throws IOException {
    for (int step = 1; step <= 3; step++) {
      truncate(checkpoint(step).resolve(ADAPTER));
    }
    String said = resume(0);
    assertTrue(said.contains("There is no whole checkpoint"), said);
  }

  /** What the manifests say of the device is changed: there is no other here. */
  @Test
  void anotherDeviceIsToldAndNotRefused() throws IOException {
    String said = resume(3);
    assertTrue(said.contains("Continuing from checkpoint step-00000003"), said);
    assertFalse(said.contains("was computed on"), said);
    Path manifest = checkpoint(3).resolve(CheckpointManifest.FILE);
    ObjectNode json = (ObjectNode) new JsonMapper().readTree(manifest.toFile());
    assertEquals(
        "{\"device\":\"cpu\",\"precision\":\"float32\",\"tasks\":1,\"threads\":%d,\"sequences_per_pass\":1}"
            .formatted(Runtime.getRuntime().availableProcessors()),
        json.path("computed_on").toString());
    JsonNode record = new JsonMapper().readTree(run.resolve(RunRecord.FILE).toFile());
    assertEquals(json.path("computed_on"), record.at("/result/computed_on"));

    // From before it was noted.
    json.remove("computed_on");
    Files.writeString(manifest, json.toString());
    said = resume(3);
    assertFalse(said.contains("was computed on"), said);

    json.putObject("computed_on").put("device", "cuda").put("precision", "bfloat16");
    Files.writeString(manifest, json.toString());
    said = resume(3);
    assertTrue(
        said.contains(
            "Checkpoint step-00000003 was computed on cuda, bfloat16; this run goes on with cpu, float32 ("),
        said);
    assertTrue(said.contains("the result is not byte for byte that of an undisturbed run\n"), said);
  }

  @Test
  void anotherCutOfTheWorkIsTold() throws IOException {
    int threads = Runtime.getRuntime().availableProcessors();
    String said = resume(3, "--threads-per-task", threads + 1);
    assertTrue(
        said.contains(
            "goes on with cpu, float32 (--partitions 1 --threads-per-task %d)"
                .formatted(threads + 1)),
        said);
    assertTrue(
        said.contains(
            "undisturbed run; with --partitions 1 --threads-per-task %d it would be"
                .formatted(threads)),
        said);
  }

  @Test
  void whatIsNoRunOrAnotherOneIsLeftAlone() throws IOException {
    Path mine = Files.createDirectories(run.resolve("checkpoints/step-mine")).resolve("model.pt");
    Files.writeString(mine, "mine");
    String record = Files.readString(run.resolve(RunRecord.FILE));
    assertTrue(resume(3).contains("Nothing was left to do: the run had done its 3 steps"));
    assertEquals(record, Files.readString(run.resolve(RunRecord.FILE)));
    assertEquals("mine", Files.readString(mine));

    // Without checkpoints it would begin anew: as the same run only.
    for (int step = 1; step <= 3; step++) {
      FileTree.delete(checkpoint(step));
    }
    Object[] again = SampleData.with(SampleData.trainBriefly(run), "--resume");
    Cli other = Cli.run(SampleData.with(again, "--rank", 2));
    assertEquals(1, other.code());
    assertTrue(other.err().contains("is of another run: it has settings.lora.rank"), other.err());
    assertEquals(record, Files.readString(run.resolve(RunRecord.FILE)));

    Files.delete(run.resolve(MetricsLog.FILE));
    Cli foreign = Cli.run(again);
    assertEquals(1, foreign.code());
    assertTrue(foreign.err().contains("not a run that --resume could go on with"), foreign.err());
    assertTrue(Files.exists(run.resolve("adapter")));
  }

  /** The file system, that is, and not the checkpoint. */
  @Test
  void whatCannotBeReadIsSkippedAndNotForgotten() throws IOException {
    System.setProperty(FaultyFileSystem.UNREADABLE, "step-00000003");
    try {
      run = Path.of("faulty:" + run);
      assertTrue(resume(2).contains("Skipping checkpoint step-00000003: it can't be read (a read"));
      System.setProperty(FaultyFileSystem.UNREADABLE, "step-");
      Cli none = Cli.run(SampleData.with(command(), "--resume"));
      assertEquals(1, none.code());
      assertTrue(none.err().contains("a read that fails"), none.err());
    } finally {
      System.clearProperty(FaultyFileSystem.UNREADABLE);
    }
  }

  /** The process ended while a checkpoint was written again: the old one is beside its place. */
  @Test
  void aReplacementThatWasCutOffIsTakenBack() throws IOException {
    Path old = Path.of(Storage.sibling(checkpoint(3).toString(), "old"));
    Files.move(checkpoint(3), old);
    assertTrue(resume(3).contains("Continuing from checkpoint step-00000003"));
    assertEquals(List.of("step-00000001", "step-00000002", "step-00000003"), checkpoints());
  }
}
