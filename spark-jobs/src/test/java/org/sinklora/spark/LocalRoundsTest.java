package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraConfig;
import org.sinklora.lora.safetensors.ModelWeights;

/** Training in rounds of several steps, and what travels in training rounds. */
class LocalRoundsTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String WEIGHTS = "adapter/adapter_model.safetensors";

  @TempDir private Path folder;

  private Path train(String name, Object... options) throws IOException {
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.train(output, SampleData.with(options, "--data", SampleData.tokenFiles())));
    return output;
  }

  private static List<JsonNode> metrics(Path output) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      lines.add(JSON.readTree(line));
    }
    return lines;
  }

  private static void assertSameAdapter(Path one, Path other) throws IOException {
    assertArrayEquals(
        Files.readAllBytes(one.resolve(WEIGHTS)), Files.readAllBytes(other.resolve(WEIGHTS)));
  }

  /** Largest difference of the values, relative to the largest value of each tensor. */
  private static double difference(Path one, Path other) throws IOException {
    double largest = 0;
    try (ModelWeights a = ModelWeights.openFile(one.resolve(WEIGHTS));
        ModelWeights b = ModelWeights.openFile(other.resolve(WEIGHTS))) {
      for (String name : a.names()) {
        float[] left = values(a, name);
        float[] right = values(b, name);
        double scale = 0;
        double apart = 0;
        for (int i = 0; i < left.length; i++) {
          scale = Math.max(scale, Math.abs(left[i]));
          apart = Math.max(apart, Math.abs(left[i] - right[i]));
        }
        largest = Math.max(largest, apart / scale);
      }
    }
    return largest;
  }

  private static float[] values(ModelWeights weights, String name) {
    float[] values = new float[(int) weights.info(name).elements()];
    weights.readFloats(name, 0, values, 0, values.length);
    return values;
  }

  /** On texts that nobody trained on; steps tell little, as each has texts of its own. */
  private void assertLearnt(Path run) throws IOException {
    double before = perplexity();
    double after = perplexity("--adapter", run.resolve("adapter"));
    assertTrue(after < before, "perplexity " + before + " to " + after);
  }

  private double perplexity(Object... more) throws IOException {
    Path json = folder.resolve("perplexity.json");
    Object[] command = {
      "eval",
      "perplexity",
      "--master",
      "local[2]",
      "--data",
      SampleData.folder(),
      "--lengths",
      256,
      "--documents",
      20,
      "--json",
      json
    };
    Cli.succeed(SampleData.with(command, more));
    return JSON.readTree(json.toFile()).at("/perplexity/0/value").asDouble(Double.NaN);
  }

  /** The outer step is then the worker's own result. */
  @Test
  void oneWorkerWhoseResultIsTakenAsItIsTrainsAsWithoutRounds() throws IOException {
    Path plain = train("plain", "--master", "local[2]", "--partitions", 1, "--steps", 5);
    Path rounds =
        train(
            "rounds",
            "--master",
            "local[2]",
            "--steps",
            5,
            "--sync-every",
            2,
            "--workers",
            1,
            "--outer-learning-rate",
            1,
            "--outer-momentum",
            0);
    List<JsonNode> expected = metrics(plain);
    List<JsonNode> lines = metrics(rounds);
    assertEquals(5, lines.size());
    for (int step = 0; step < 5; step++) {
      for (String field : List.of("loss", "learning_rate", "grad_norm")) {
        double value = expected.get(step).path(field).asDouble();
        assertEquals(value, lines.get(step).path(field).asDouble(), 2e-5 * value, field);
      }
      // The rounds end with steps 2, 4 and 5.
      assertEquals(step != 0 && step != 2, lines.get(step).has("round_seconds"));
      assertTrue(expected.get(step).has("bytes_up"));
    }
    assertTrue(difference(plain, rounds) < 1e-4, "apart by " + difference(plain, rounds));
  }

  /** With one and two sequences of each step. */
  private Object[] twoWorkers(Object... more) {
    Object[] command = {
      "--sync-every", 4, "--workers", 2, "--threads-per-task", 1, "--batch-size", 3, "--steps", 10
    };
    return SampleData.with(command, more);
  }

  @Test
  void theCutOfTheClusterChangesNothingAndNeitherDoesResuming() throws IOException {
    Path two = train("two", twoWorkers("--master", "local[2]", "--checkpoint-every", 3));
    // Rounds end with steps 4, 8 and 10.
    assertEquals(
        List.of("step-00000008", "step-00000010"), SampleData.names(two.resolve("checkpoints")));
    List<JsonNode> lines = metrics(two);
    assertEquals(10, lines.size());
    assertLearnt(two);

    assertSameAdapter(two, train("one", twoWorkers("--master", "local[1]")));

    // As if the run had died in its last round.
    Storage.here().delete(two.resolve("checkpoints/step-00000010").toString());
    byte[] adapter = Files.readAllBytes(two.resolve(WEIGHTS));
    Storage.here().delete(two.resolve("adapter").toString());
    Object[] again =
        SampleData.train(
            two, twoWorkers("--master", "local[2]", "--data", SampleData.tokenFiles()));
    Cli.succeed(SampleData.with(again, "--resume"));
    assertArrayEquals(adapter, Files.readAllBytes(two.resolve(WEIGHTS)));
    assertEquals(10, metrics(two).size());

    for (Object[] other :
        new Object[][] {
          {"--workers", 3},
          {"--sync-every", 2},
          {"--outer-momentum", 0.9},
          {"--communication", "bfloat16"}
        }) {
      Cli cli =
          Cli.run(
              SampleData.with(
                  SampleData.train(
                      two,
                      SampleData.with(
                          twoWorkers("--master", "local[2]", "--data", SampleData.tokenFiles()),
                          other)),
                  "--resume"));
      assertEquals(1, cli.code());
      assertTrue(cli.err().contains("is of another run: it has settings.rounds."), cli.err());
    }
  }

  @Test
  void oneProcessDoesTheWorkersOneAfterTheOther() throws IOException {
    Path spark = train("spark", twoWorkers("--master", "local[2]", "--steps", 8));
    Path alone = train("alone", twoWorkers("--master", "none", "--steps", 8));
    List<JsonNode> expected = metrics(spark);
    List<JsonNode> lines = metrics(alone);
    for (int step = 0; step < 8; step++) {
      assertEquals(
          expected.get(step).path("loss").asDouble(),
          lines.get(step).path("loss").asDouble(),
          1e-4);
    }
  }

  /** Half the bytes, and nearly the same losses; the same bits again. */
  @Test
  void bfloat16() throws IOException {
    Object[] plain = {"--master", "local[2]", "--partitions", 3, "--threads-per-task", 1};
    Object[] half = SampleData.with(plain, "--communication", "bfloat16");
    Path floats = train("floats", plain);
    Path halves = train("halves", half);
    assertSameAdapter(halves, train("again", half));
    List<JsonNode> expected = metrics(floats);
    List<JsonNode> lines = metrics(halves);
    for (int step = 0; step < 4; step++) {
      double loss = expected.get(step).path("loss").asDouble();
      assertEquals(loss, lines.get(step).path("loss").asDouble(), 0.01 * loss);
      for (String field : List.of("bytes_down", "bytes_up")) {
        double bytes = expected.get(step).path(field).asDouble();
        assertTrue(
            lines.get(step).path(field).asDouble() < 0.52 * bytes + 5000,
            field + " of step " + step);
      }
    }
    // In the first step the adapter is what everyone knows.
    assertTrue(expected.get(0).path("bytes_down").asLong() < 5000);
    Path local = train("local", twoWorkers("--master", "local[2]", "--communication", "bfloat16"));
    assertLearnt(local);
  }

  /** Checkpoints of versions without rounds go on as what they were. */
  @Test
  void aCheckpointThatSaysNothingOfRounds() throws IOException {
    Path run = train("old", "--master", "local[2]", "--checkpoint-every", 3);
    byte[] adapter = Files.readAllBytes(run.resolve(WEIGHTS));
    Storage.here().delete(run.resolve("checkpoints/step-00000004").toString());
    Path checkpoint = run.resolve("checkpoints/step-00000003");
    Path file = checkpoint.resolve("sinklora_run.json");
    ObjectNode identity = (ObjectNode) JSON.readTree(file.toFile());
    ((ObjectNode) identity.path("settings")).remove("rounds");
    Files.writeString(file, identity.toString());
    Files.delete(checkpoint.resolve(CheckpointManifest.FILE));
    CheckpointManifest.write(checkpoint, ComputedOn.cpus(2, 1));
    // An outer momentum says nothing either, where there is no outer step.
    Object[] again =
        SampleData.train(
            run,
            "--master",
            "local[2]",
            "--data",
            SampleData.tokenFiles(),
            "--outer-momentum",
            0.3);
    Cli.succeed(SampleData.with(again, "--resume"));
    assertArrayEquals(adapter, Files.readAllBytes(run.resolve(WEIGHTS)));

    ObjectNode settings =
        (ObjectNode)
            JSON.readTree(run.resolve("adapter/sinklora_config.json").toFile()).path("training");
    settings.remove("rounds");
    assertEquals(
        TrainSettings.Rounds.DEFAULT, JSON.treeToValue(settings, TrainSettings.class).rounds());
  }

  @Test
  void whatMakesNoSense() throws IOException {
    refused("--sync-every is 0", "--sync-every", 0);
    refused("the number of workers decides the result", "--sync-every", 8);
    refused("--workers is 2, but with --sync-every 1", "--workers", 2);
    refused("--workers is 5, but a step has only 4", "--sync-every", 2, "--workers", 5);
    refused("leave out --partitions", "--sync-every", 2, "--workers", 2, "--partitions", 4);
    refused("--outer-momentum 1.0", "--sync-every", 2, "--workers", 2, "--outer-momentum", 1);
    refused("choose float32 or bfloat16", "--communication", "float16");
    refused("one process exchanges nothing", "--master", "none", "--communication", "bfloat16");
    refused(
        "leave it out, or take --device cpu",
        "--master",
        "spark://127.0.0.1:1",
        "--device",
        "cuda",
        "--sync-every",
        2,
        "--workers",
        2);
  }

  /** Before the data is looked for: there is none. */
  private void refused(String said, Object... options) throws IOException {
    Path output = folder.resolve("refused");
    Cli cli =
        Cli.run(
            SampleData.train(
                output, SampleData.with(options, "--data", folder.resolve("no-data"))));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains(said), cli.err());
    assertFalse(Files.exists(output.resolve("metrics.jsonl")));
  }

  /** Of the bundled model, which is tied, every row of the embedding has a gradient. */
  @Test
  void ofATrainedEmbeddingTheTouchedRowsTravel() throws IOException {
    Object[] options = {"--model", untied(), "--batch-size", 1};
    Path run = train("untied-run", SampleData.with(options, "--master", "local[*]"));
    long embedding = 2048L * 256 * Float.BYTES;
    List<JsonNode> lines = metrics(run);
    for (JsonNode line : lines) {
      // One sequence has at most 256 different tokens.
      long up = line.path("bytes_up").asLong();
      assertTrue(up > 0 && up < embedding / 2, up + " bytes up");
    }
    long down = lines.get(3).path("bytes_down").asLong();
    assertTrue(down > 0 && down < embedding / 2, down + " bytes down");
    // Where nothing travels the adapter is the same, to the bit.
    assertSameAdapter(run, train("untied-alone", SampleData.with(options, "--master", "none")));
  }

  /** The bundled model with a copy of its embedding as head. */
  private Path untied() throws IOException {
    Path target = folder.resolve("untied");
    if (!Files.exists(target)) {
      LoraConfig config =
          LoraConfig.builder()
              .setRank(1)
              .setAlpha(1)
              .setTargetModules("q_proj")
              .optModulesToSave(List.of("embed_tokens"))
              .build();
      try (CpuDevice device = new CpuDevice(1);
          CausalLm base = CausalLm.load(BundledModel.folder(), device);
          LoraAdapter adapter = LoraAdapter.create(base, config, 0)) {
        base.withAdapter(adapter).saveMerged(target);
      }
      JsonNode merged = JSON.readTree(target.resolve("config.json").toFile());
      assertFalse(merged.path("tie_word_embeddings").asBoolean());
    }
    return target;
  }
}
