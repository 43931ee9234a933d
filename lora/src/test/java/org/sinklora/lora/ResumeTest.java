package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;

/** Checkpoints: a resumed run goes on as if nothing had happened, or is refused and unchanged. */
class ResumeTest {
  private static final CpuDevice DEVICE = new CpuDevice(2);

  @TempDir Path temp;
  private Path checkpoint;

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  @BeforeEach
  void saveAfterFiveSteps() throws IOException {
    checkpoint = temp.resolve("checkpoint");
    try (TrainingRun run = start()) {
      run.losses(0, 5);
      run.trainer().save(checkpoint);
    }
  }

  private TrainingRun start() throws IOException {
    return TrainingRun.start(temp.resolve("base"), DEVICE);
  }

  private TrainingRun start(
      UnaryOperator<LoraConfigBuilder> adapter, UnaryOperator<TrainingConfig.Builder> settings)
      throws IOException {
    return TrainingRun.start(temp.resolve("base"), DEVICE, adapter, settings);
  }

  @Test
  void aResumedRunEqualsTheUninterruptedOne() throws IOException {
    try (TrainingRun whole = start();
        TrainingRun resumed = start()) {
      List<Double> losses = whole.losses(0, 12);
      resumed.trainer().resume(checkpoint);
      assertEquals(5, resumed.trainer().stepsDone());
      assertEquals(losses.subList(5, 12), resumed.losses(5, 12));
      whole.adapter().save(temp.resolve("whole"));
      resumed.adapter().save(temp.resolve("resumed"));
      String file = "adapter_model.safetensors";
      assertArrayEquals(
          Files.readAllBytes(temp.resolve("whole").resolve(file)),
          Files.readAllBytes(temp.resolve("resumed").resolve(file)));
    }
  }

  @Test
  void aCheckpointIsAnAdapterFolder() throws IOException {
    try (TrainingRun run = start();
        LoraAdapter adapter = LoraAdapter.load(checkpoint, run.base())) {
      run.trainer().resume(checkpoint);
      try (TrainingRun other =
          new TrainingRun(
              run.base(),
              adapter,
              new LoraTrainer(
                  run.base().withAdapter(adapter), TrainingConfig.builder(1).build()))) {
        assertEquals(run.values(), other.values());
      }
    }
  }

  @Test
  void aHeadWithLoraIsResumedToo() throws IOException {
    UnaryOperator<LoraConfigBuilder> head = c -> c.setTargetModules("lm_head");
    try (TrainingRun run = start(head, c -> c);
        TrainingRun resumed = start(head, c -> c)) {
      run.losses(0, 2);
      run.trainer().save(temp.resolve("head"));
      resumed.trainer().resume(temp.resolve("head"));
      assertEquals(run.losses(2, 4), resumed.losses(2, 4));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"beta1", "learning_rate", "schedule", "warmup", "seed", "attention"})
  void anotherRunsSettingsAreRefused(String setting) throws IOException {
    UnaryOperator<TrainingConfig.Builder> change =
        switch (setting) {
          case "learning_rate" -> c -> c.optLearningRate(0.02);
          case "schedule" -> c -> c.optSchedule(LearningRateSchedule.LINEAR);
          case "warmup" -> c -> c.optWarmupSteps(3);
          case "seed" -> c -> c.optSeed(1);
          case "attention" -> c -> c.optAttention(AttentionPlan.FULL);
          default -> c -> c.optBetas(0.8, 0.9);
        };
    try (TrainingRun run = start(TrainingRun.DROPOUT, change)) {
      refused(run, setting);
    }
  }

  @ParameterizedTest
  @CsvSource({"alpha,lora_alpha", "dropout,lora_dropout", "targets,target_modules", "rank,'\"r\"'"})
  void anotherAdapterIsRefused(String change, String named) throws IOException {
    UnaryOperator<LoraConfigBuilder> other =
        switch (change) {
          case "alpha" -> c -> TrainingRun.DROPOUT.apply(c).setAlpha(7);
          case "dropout" -> c -> c.optDropout(0.1);
          case "targets" -> c -> TrainingRun.DROPOUT.apply(c).setTargetModules("q_proj");
          default -> c -> TrainingRun.DROPOUT.apply(c).setRank(2);
        };
    try (TrainingRun run = start(other, c -> c)) {
      refused(run, change.equals("rank") ? " r = 3" : named);
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"optimizer.safetensors", "trainer_state.json", "adapter_model.safetensors"})
  void aTornCheckpointIsRefused(String file) throws IOException {
    Path torn = checkpoint.resolve(file);
    byte[] bytes = Files.readAllBytes(torn);
    for (int length : new int[] {bytes.length - 9, bytes.length / 2, 5, 0}) {
      Files.write(torn, Arrays.copyOf(bytes, length));
      try (TrainingRun run = start()) {
        refused(run, "checkpoint");
      }
    }
    Files.delete(torn);
    try (TrainingRun run = start()) {
      refused(run, file);
    }
  }

  @Test
  void damagedValuesAreRefused() throws IOException {
    Path file = checkpoint.resolve("optimizer.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    // The last element becomes NaN.
    bytes[bytes.length - 1] = (byte) 0x7f;
    bytes[bytes.length - 2] = (byte) 0xc0;
    Files.write(file, bytes);
    try (TrainingRun run = start()) {
      refused(run, "NaN");
    }
  }

  @Test
  void aCheckpointReplacesAnEarlierOneButNothingElse() throws IOException {
    Path other = Files.createDirectory(temp.resolve("other"));
    Files.writeString(other.resolve("thesis.txt"), "years of work");
    try (TrainingRun run = start()) {
      run.trainer().save(checkpoint);
      assertThrows(IOException.class, () -> run.trainer().save(other));
      assertThrows(IOException.class, () -> run.adapter().save(other));
      run.trainer().resume(checkpoint);
      assertEquals(0, run.trainer().stepsDone());
    }
    assertEquals("years of work", Files.readString(other.resolve("thesis.txt")));
  }

  private void refused(TrainingRun run, String named) {
    List<Float> before = run.values();
    Exception error =
        assertThrows(IllegalArgumentException.class, () -> run.trainer().resume(checkpoint));
    assertTrue(error.getMessage().contains(named), error.getMessage());
    assertTrue(error.getMessage().contains(checkpoint.toString()), error.getMessage());
    assertEquals(before, run.values());
    assertEquals(0, run.trainer().stepsDone());
  }
}
