package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;

/** LoRA's dropout: on in training, off in evaluation, right on average. */
class DropoutTest {
  @TempDir Path temp;

  private final CpuDevice device = new CpuDevice(1);

  private static Variant variant(double rate) {
    return Variant.llama("dropout", "", c -> c.optDropout(rate), "q_proj", "down_proj");
  }

  @Test
  void evaluationDropsNothing() throws IOException {
    TokenBatch batch = Variant.batch(1, 12, 7);
    float[][] losses = new float[2][];
    for (int i = 0; i < 2; i++) {
      Variant variant = variant(i * 0.5);
      try (CausalLm base = CausalLm.load(variant.base().writeTo(temp), device);
          LoraAdapter adapter = variant.randomAdapter(base);
          ModelPass pass = new ModelPass(base.withAdapter(adapter))) {
        losses[i] = pass.losses(batch, AttentionPlan.FULL);
      }
    }
    assertArrayEquals(losses[0], losses[1]);
  }

  @Test
  void trainingDropsByTheKeyAlone() throws IOException {
    TokenBatch batch = Variant.batch(1, 12, 7);
    Variant variant = variant(0.5);
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp), device);
        LoraAdapter adapter = variant.randomAdapter(base);
        ModelPass pass = new ModelPass(base.withAdapter(adapter))) {
      double evaluated = pass.accumulateGradients(batch, AttentionPlan.FULL, 1, null);
      double dropped = pass.accumulateGradients(batch, AttentionPlan.FULL, 1, 7L);
      assertNotEquals(evaluated, dropped);
      assertEquals(dropped, pass.accumulateGradients(batch, AttentionPlan.FULL, 1, 7L));
      assertNotEquals(dropped, pass.accumulateGradients(batch, AttentionPlan.FULL, 1, 8L));
    }
  }

  /**
   * The update of a linear is linear in what is dropped, so that its mean over many keys is the
   * update without dropout, and its variance {@code rate / (1 − rate)} times the squares' sum.
   */
  @Test
  void theMeanIsWhatIsComputedWithoutDropout() throws IOException {
    double rate = 0.3;
    Variant variant = variant(rate);
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp), device);
        LoraAdapter adapter = variant.randomAdapter(base);
        Workspace workspace = new Workspace(device);
        Tensor x = device.allocate(1, 24);
        Tensor y = device.allocate(1, 24)) {
      float[] input = new float[24];
      SplittableRandom random = new SplittableRandom(1);
      for (int i = 0; i < 24; i++) {
        input[i] = (float) random.nextGaussian();
      }
      device.upload(input, 0, x);
      LoraPair pair = adapter.pair("model.layers.0.self_attn.q_proj");
      int draws = 20_000;
      double[] mean = new double[24];
      double[] squares = new double[24];
      float[] dropped = new float[24];
      for (int draw = 0; draw < draws; draw++) {
        Pass pass = pass(workspace, draw);
        pass.dropout(pair, x, y);
        device.download(y, dropped, 0);
        for (int i = 0; i < 24; i++) {
          mean[i] += dropped[i] / draws;
          squares[i] += (double) dropped[i] * dropped[i] / draws;
        }
      }
      for (int i = 0; i < 24; i++) {
        double variance = squares[i] - mean[i] * mean[i];
        double size = Math.abs(input[i]);
        assertEquals(input[i], mean[i], 5 * size * Math.sqrt(rate / (1 - rate) / draws));
        assertEquals(size * size * rate / (1 - rate), variance, 0.06 * size * size);
      }
    }
  }

  private Pass pass(Workspace workspace, long key) {
    TokenBatch batch = TokenBatch.of(new int[] {3});
    return new Pass(
        device, null, batch, new int[1], null, AttentionPlan.FULL, key, 0, 1, workspace);
  }
}
