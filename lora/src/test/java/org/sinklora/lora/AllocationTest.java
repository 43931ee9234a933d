package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.sfattn.AttentionPattern;

/**
 * A training step works in the memory that the first one allocated. In a JVM of its own: what other
 * tests ran before decides what the compiler inlines where.
 */
@Tag("own-jvm")
class AllocationTest {
  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void laterStepsReuseTheirActivations(boolean checkpointing) throws IOException {
    TinyModel tiny = TinyModel.llama("\"hidden_size\": 64");
    TrainingConfig settings =
        TrainingConfig.builder(1000)
            .optAttention(TrainingRun.SF)
            .optGradientCheckpointing(checkpointing)
            .build();
    LoraConfig config =
        Variant.settings().setTargetModules(ModuleSelector.allLinear()).optDropout(0.1).build();
    // One thread, so that all work is done, and counted, in this one.
    try (CpuDevice device = new CpuDevice(1);
        CausalLm base = CausalLm.load(tiny.writeTo(temp), device);
        LoraAdapter adapter = LoraAdapter.create(base, config, 1);
        LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), settings)) {
      TokenBatch batch = TokenBatch.of(TrainingRun.document(new SplittableRandom(1), 256));
      trainer.step(batch);
      long activations = trainer.activationBytes();
      long bytes = bytesOfAStep(trainer, batch);
      // Before the just-in-time compiler is done with them, kernels of the Vector API allocate the
      // vectors they work on, and a few go on doing so; activations would be far more.
      for (int i = 0; i < 600 && bytes > activations / 3; i++) {
        bytes = bytesOfAStep(trainer, batch);
      }
      assertTrue(bytes <= activations / 3, bytes + " bytes a step, activations " + activations);
      long nativeBytes = Pointer.totalBytes();
      for (int i = 0; i < 20; i++) {
        trainer.step(batch);
      }
      assertEquals(activations, trainer.activationBytes());
      assertTrue(Pointer.totalBytes() <= nativeBytes, "native memory grows");
    }
  }

  /** Four times the tokens in as many groups: what a step allocates must not follow. */
  @Test
  void aStepAllocatesNothingPerToken() throws IOException {
    TinyModel tiny = TinyModel.llama("\"hidden_size\": 64");
    LoraConfig config = Variant.settings().setTargetModules(ModuleSelector.allLinear()).build();
    try (CpuDevice device = new CpuDevice(1);
        CausalLm base = CausalLm.load(tiny.writeTo(temp), device);
        LoraAdapter adapter = LoraAdapter.create(base, config, 1)) {
      long few = settledBytes(base.withAdapter(adapter), 256);
      long many = settledBytes(base.withAdapter(adapter), 1024);
      assertTrue(many - few < 768, few + " bytes with 256 tokens, " + many + " with 1024");
    }
  }

  /** The least that a step allocates once the compiler, which runs beside it, is done. */
  private static long settledBytes(CausalLm model, int tokens) {
    AttentionPattern pattern = AttentionPattern.sinkFixed(tokens / 4, 0.25, 4);
    TrainingConfig settings =
        TrainingConfig.builder(1_000_000).optAttention(AttentionPlan.of(pattern)).build();
    try (LoraTrainer trainer = new LoraTrainer(model, settings)) {
      TokenBatch batch = TokenBatch.of(TrainingRun.document(new SplittableRandom(1), tokens));
      long least = Long.MAX_VALUE;
      int unchanged = 0;
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
      while (unchanged < 200 && System.nanoTime() < deadline) {
        long bytes = bytesOfAStep(trainer, batch);
        unchanged = bytes < least ? 0 : unchanged + 1;
        least = Math.min(least, bytes);
      }
      return least;
    }
  }

  private static long bytesOfAStep(LoraTrainer trainer, TokenBatch batch) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    long before = threads.getCurrentThreadAllocatedBytes();
    trainer.step(batch);
    return threads.getCurrentThreadAllocatedBytes() - before;
  }
}
