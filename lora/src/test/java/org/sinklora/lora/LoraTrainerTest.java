package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;

/** What a step does, and that it does the same every time. */
class LoraTrainerTest {
  private static final CpuDevice DEVICE = new CpuDevice(2);

  @TempDir Path temp;

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  private TrainingRun start() throws IOException {
    return TrainingRun.start(temp, DEVICE);
  }

  private TrainingRun start(
      UnaryOperator<LoraConfigBuilder> adapter, UnaryOperator<TrainingConfig.Builder> settings)
      throws IOException {
    return TrainingRun.start(temp, DEVICE, adapter, settings);
  }

  @Test
  void sameSeedGivesTheSameBits() throws IOException {
    UnaryOperator<TrainingConfig.Builder> checkpointing = c -> c.optGradientCheckpointing(true);
    try (TrainingRun first = start(TrainingRun.DROPOUT, checkpointing);
        TrainingRun second = start(TrainingRun.DROPOUT, checkpointing)) {
      assertEquals(first.losses(0, 12), second.losses(0, 12));
      assertEquals(first.values(), second.values());
    }
  }

  @Test
  void checkpointingChangesNoBit() throws IOException {
    try (TrainingRun kept = start();
        TrainingRun again = start(TrainingRun.DROPOUT, c -> c.optGradientCheckpointing(true))) {
      assertEquals(kept.losses(0, 6), again.losses(0, 6));
      assertEquals(kept.values(), again.values());
      assertTrue(kept.trainer().activationBytes() > again.trainer().activationBytes());
    }
  }

  @Test
  void anotherSeedDropsOtherElements() throws IOException {
    try (TrainingRun first = start();
        TrainingRun second = start(TrainingRun.DROPOUT, c -> c.optSeed(10))) {
      // lora_B is zero at first, so that what A's input loses shows from the second step on.
      List<Double> losses = first.losses(0, 3);
      List<Double> others = second.losses(0, 3);
      assertEquals(losses.get(0), others.get(0));
      assertNotEquals(losses.get(2), others.get(2));
    }
  }

  @Test
  void accumulatedBatchesAreOneBatch() throws IOException {
    try (TrainingRun apart = start();
        TrainingRun together = start()) {
      for (int step = 0; step < 8; step++) {
        StepResult one = apart.trainer().step(TrainingRun.batches(step));
        StepResult other = together.trainer().step(TrainingRun.together(step));
        assertEquals(one.predictions(), other.predictions());
        assertEquals(other.loss(), one.loss(), 1e-6 * other.loss(), "step " + step);
        assertEquals(other.gradNorm(), one.gradNorm(), 1e-5 * other.gradNorm(), "step " + step);
      }
    }
  }

  @Test
  void lossFalls() throws IOException {
    try (TrainingRun run = start(c -> c, c -> c)) {
      double first = run.trainer().step(TrainingRun.together(0)).loss();
      double last = first;
      for (int i = 0; i < 11; i++) {
        last = run.trainer().step(TrainingRun.together(0)).loss();
      }
      assertTrue(last < 0.7 * first, first + " → " + last);
    }
  }

  @Test
  void gradientsAreClippedToTheNorm() throws IOException {
    double limit = 1e-3;
    // With so large an epsilon AdamW's step is the gradient itself times rate / epsilon.
    UnaryOperator<TrainingConfig.Builder> base =
        c -> c.optWarmupSteps(0).optLearningRate(1).optEpsilon(1e3).optBetas(0, 0);
    // Only lora_B, which starts at zero, has a gradient in the first step.
    UnaryOperator<LoraConfigBuilder> loraAlone = c -> c.optModulesToSave(List.of());
    try (TrainingRun clipped = start(loraAlone, c -> base.apply(c).optMaxGradNorm(limit));
        TrainingRun free = start(loraAlone, c -> base.apply(c).optMaxGradNorm(0))) {
      double clippedMove = moveOfAStep(clipped);
      double freeMove = moveOfAStep(free);
      double norm = free.trainer().step(TrainingRun.together(1)).gradNorm();
      assertTrue(norm > 10 * limit);
      assertEquals(limit / 1e3, clippedMove, 2e-2 * limit / 1e3);
      assertTrue(freeMove > 10 * clippedMove);
    }
  }

  private static double moveOfAStep(TrainingRun run) {
    List<Float> before = run.values();
    run.trainer().step(TrainingRun.together(0));
    List<Float> after = run.values();
    double squares = 0;
    for (int i = 0; i < before.size(); i++) {
      double move = after.get(i) - before.get(i);
      squares += move * move;
    }
    return Math.sqrt(squares);
  }

  @Test
  void aStepWithNothingToLearnIsRefused() throws IOException {
    try (TrainingRun run = start()) {
      TokenBatch whole = TrainingRun.together(0);
      int[] masked = new int[whole.tokens()];
      Arrays.fill(masked, Device.IGNORED);
      TokenBatch batch = new TokenBatch(whole.ids(), masked, whole.documents(), 0);
      Exception error =
          assertThrows(IllegalArgumentException.class, () -> run.trainer().step(batch));
      assertTrue(error.getMessage().contains("target"), error.getMessage());
      assertEquals(0, run.trainer().stepsDone());
    }
  }

  @Test
  void aBatchThatFailsLeavesNoTrace() throws IOException {
    try (TrainingRun undisturbed = start();
        TrainingRun run = start()) {
      List<TokenBatch> second =
          List.of(TrainingRun.together(5), TokenBatch.of(new int[] {1, TinyModel.VOCABULARY, 2}));
      assertThrows(IllegalArgumentException.class, () -> run.trainer().step(second));
      assertEquals(undisturbed.losses(0, 4), run.losses(0, 4));
      assertEquals(undisturbed.values(), run.values());
    }
  }

  @Test
  void aStepThatDivergesLeavesTheAdapterAsItWas() throws IOException {
    try (TrainingRun run = start()) {
      run.losses(0, 2);
      Parameter norm = run.adapter().saved("model.norm.weight");
      float[] good = Variant.valuesOf(DEVICE, norm);
      float[] bad = good.clone();
      bad[3] = Float.NaN;
      DEVICE.upload(bad, 0, norm.value());
      List<Float> before = run.values();
      Exception error =
          assertThrows(
              IllegalStateException.class, () -> run.trainer().step(TrainingRun.together(2)));
      assertTrue(error.getMessage().contains("Step 3 diverged"), error.getMessage());
      assertEquals(before, run.values());
      assertEquals(2, run.trainer().stepsDone());
      DEVICE.upload(good, 0, norm.value());
      assertTrue(Double.isFinite(run.trainer().step(TrainingRun.together(2)).loss()));
    }
  }

  @Test
  void onlyAModelWithAnAdapterIsTrained() throws IOException {
    try (TrainingRun run = start()) {
      TrainingConfig config = TrainingConfig.builder(1).build();
      Exception error =
          assertThrows(
              IllegalArgumentException.class, () -> new LoraTrainer(run.base(), config).close());
      assertTrue(error.getMessage().contains("no adapter"), error.getMessage());
    }
  }

  @Test
  void aFullAttentionLayerMustExist() {
    Exception error =
        assertThrows(
            IllegalArgumentException.class,
            () -> start(c -> c, c -> c.optAttention(TrainingRun.SF.withFullAttentionLayers(2))));
    assertTrue(error.getMessage().contains("layer 2"), error.getMessage());
    assertTrue(error.getMessage().contains("0 to 1"), error.getMessage());
  }
}
