package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.stream.IntStream;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.GradientExchange;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** Training in a barrier stage, its ranks tasks of this process that exchange in memory. */
class BarrierTrainingTest {
  private static final double BOUND = 1e-5;
  private static final int STEPS = 4;
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private static Path folder;
  private static TrainSettings settings;
  private static ModelSource model;
  private static List<Double> ordinary;

  /** The same training by the ordinary path. */
  @BeforeAll
  static void trainOnOneDevice() throws IOException {
    Path output = folder.resolve("ordinary");
    Cli.succeed(
        SampleData.train(
            output, "--master", "none", "--batch-size", 3, "--context", 128, "--group-size", 32));
    settings =
        JSON.treeToValue(
            JSON.readTree(output.resolve("adapter/sinklora_config.json").toFile()).path("training"),
            TrainSettings.class);
    model =
        ModelSource.of(BundledModel.NAME, Storage.here())
            .extended(settings.context(), settings.ropeScaling());
    ordinary = losses(output);
  }

  @AfterAll
  static void forgetGroups() {
    ThreadRanks.MADE.set(0);
  }

  private static List<Double> losses(Path output) throws IOException {
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      losses.add(JSON.readTree(line).path("loss").asDouble());
    }
    return losses;
  }

  private static TrainTarget target(Path output) throws IOException {
    return new TrainTarget(
        DataMix.of(SampleData.folder().toString()), output.toString(), false, false, 2, 2, 0, 0, 1);
  }

  private static ObjectNode train(Path output, RankDevices devices, int ranks) throws IOException {
    ThreadRanks.MADE.set(0);
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      return new BarrierTraining(spark, devices, ranks, settings, model, target(output)).run();
    }
  }

  @Test
  void twoRanksDoTheStepsOfOneDeviceAndGoOnAfterAFailure() throws IOException {
    Path straight = folder.resolve("straight");
    ObjectNode result = train(straight, new ThreadRanks(-1), 2);
    assertEquals(1, ThreadRanks.MADE.get());
    assertEquals(2, result.path("ranks").asInt());
    assertEquals(0, result.path("resumed_at").asInt());
    List<Double> losses = losses(straight);
    assertEquals(STEPS, losses.size());
    for (int step = 0; step < STEPS; step++) {
      assertEquals(ordinary.get(step), losses.get(step), BOUND, "step " + (step + 1));
    }
    try (var left = Files.list(straight.resolve("checkpoints"))) {
      assertEquals(
          List.of("step-00000002", "step-00000004"),
          left.map(path -> path.getFileName().toString())
              .filter(name -> !name.startsWith("."))
              .sorted()
              .toList());
    }

    // The second rank fails in the third step, behind the checkpoint of the second.
    Path disturbed = folder.resolve("disturbed");
    ObjectNode again = train(disturbed, new ThreadRanks(2), 2);
    assertEquals(2, ThreadRanks.MADE.get(), "attempts of the stage");
    assertEquals(2, again.path("resumed_at").asInt());
    assertEquals(losses, losses(disturbed));
    for (String file : List.of("adapter_model.safetensors", "adapter_config.json")) {
      assertArrayEquals(
          Files.readAllBytes(straight.resolve("adapter").resolve(file)),
          Files.readAllBytes(disturbed.resolve("adapter").resolve(file)),
          file);
    }
  }

  @Test
  void afterTooManyAttemptsTheRankThatFailedIsHeard() {
    System.setProperty("spark.stage.maxConsecutiveAttempts", "1");
    try {
      Exception e =
          assertThrows(
              Exception.class, () -> train(folder.resolve("failed"), new ThreadRanks(0), 2));
      assertEquals("this rank was told to fail", FailureReport.describe(e));
    } finally {
      System.clearProperty("spark.stage.maxConsecutiveAttempts");
    }
  }

  @Test
  void ranksOnDifferentDevicesAreRefused() throws IOException {
    System.setProperty("spark.stage.maxConsecutiveAttempts", "1");
    Path output = folder.resolve("different");
    try {
      Exception e = assertThrows(Exception.class, () -> train(output, new UnlikeRanks(), 2));
      String said = FailureReport.describe(e);
      assertTrue(said.startsWith("Rank 0 computes on kind "), said);
      assertTrue(said.contains("or train on their CPUs with --device cpu"), said);
      assertEquals(List.of(), losses(output), "a step was begun");
    } finally {
      System.clearProperty("spark.stage.maxConsecutiveAttempts");
    }
  }

  /** Each rank has a device of another kind. */
  private static final class UnlikeRanks implements RankDevices {
    private static final long serialVersionUID = 1;

    @Override
    public Device open(TaskContext task) {
      return new CpuDevice(1);
    }

    @Override
    public String kind(Device device) {
      return "kind " + System.identityHashCode(device);
    }

    @Override
    public String newGroup() {
      return "group";
    }

    @Override
    public GradientExchange join(
        String group, Device device, int rank, int ranks, BooleanSupplier givenUp) {
      throw new IllegalStateException("ranks of different kinds met");
    }
  }

  @Test
  void everySequenceOfAStepHasOneRank() throws IOException {
    try (SparkSession spark = SparkSessions.open("test", "local[1]")) {
      StepSequences feed =
          step ->
              IntStream.range(0, 5)
                  .mapToObj(i -> Sequence.of(5 * step + i, new int[] {(int) step, i}))
                  .toList();
      RankSequences sequences =
          RankSequences.broadcast(SparkSessions.context(spark), feed, 5, 3, 7);
      for (int ranks = 1; ranks <= 5; ranks++) {
        for (long step : List.of(0L, 6L, 2L, 3L)) {
          List<Long> numbers = new ArrayList<>();
          for (int rank = 0; rank < ranks; rank++) {
            List<Sequence> share = sequences.of(rank, ranks).step(step);
            assertTrue(share.size() >= 5 / ranks && share.size() <= 5 / ranks + 1);
            share.forEach(sequence -> numbers.add(sequence.firstPiece()));
          }
          assertEquals(feed.step(step).stream().map(Sequence::firstPiece).toList(), numbers);
        }
      }
      sequences.destroy();
    }
  }

  @Test
  void aRankThatDoesNotRecordWritesNothing() throws IOException {
    Path output = folder.resolve("silent");
    try (CpuDevice device = new CpuDevice(2);
        CausalLm base = CausalLm.load(BundledModel.folder(), model.config(), device);
        LoraAdapter adapter =
            LoraAdapter.create(base, settings.loraConfig(model.config()), settings.seed());
        LoraTrainer trainer =
            new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig())) {
      Storage storage = Storage.here();
      TrainTarget target = target(output);
      Checkpoints checkpoints =
          new Checkpoints(
              storage,
              target.checkpoints(),
              new RunIdentity(settings, "0", "{}"),
              ComputedOn.cpus(1, 2),
              2);
      StepSequences feed = step -> List.of(Sequence.of(step, new int[] {5, 6, 7, 8}));
      JsonNode result =
          new TrainingLoop(storage, settings, target, false)
              .run(feed, trainer, new DeviceSteps(trainer, device, 1), checkpoints);
      assertEquals(STEPS, result.path("losses").size());
      assertFalse(Files.exists(output));
    }
  }

  @Test
  void whatCannotWorkIsRefusedBeforeTheFirstStep() throws IOException {
    refused("--master none to train on one GPU", "--master", "local[2]", "--device", "cuda");
    refused("without number", "--master", "spark://127.0.0.1:1", "--device", "cuda:1");
    refused(
        "spark.executor.resource.gpu.amount is not set",
        "--master",
        "spark://127.0.0.1:1",
        "--device",
        "cuda");
    Path output = folder.resolve("many");
    UserException many =
        assertThrows(UserException.class, () -> train(output, new ThreadRanks(-1), 4));
    assertTrue(many.getMessage().contains("4 GPUs for 3 sequences"), many.getMessage());
    assertFalse(Files.exists(output));
  }

  private static void refused(String said, Object... options) throws IOException {
    Path output = folder.resolve("refused");
    Cli cli = Cli.run(SampleData.train(output, options));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains(said), cli.err());
    assertFalse(Files.exists(output));
  }
}
