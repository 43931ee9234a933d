package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.SplittableRandom;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;

/** A training step allocates nothing for its tokens once the first ones have been made. */
class AllocationTest {
  private static final int HIDDEN = 64;

  @TempDir Path temp;

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void laterStepsAllocateLittleAndDoNotGrow(boolean checkpointing) throws IOException {
    TinyModel tiny = TinyModel.llama("\"hidden_size\": 64");
    TrainingConfig settings =
        TrainingConfig.builder(100)
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
      long many = bytesOfAStep(trainer, 512);
      long few = bytesOfAStep(trainer, 128);
      long activations = trainer.activationBytes();
      long nativeBytes = Pointer.totalBytes();
      long later = bytesOfAStep(trainer, 512);
      assertEquals(activations, trainer.activationBytes());
      assertTrue(Pointer.totalBytes() <= nativeBytes, "native memory grows");
      assertTrue(later <= 1.05 * many, many + " bytes a step, later " + later);
      // What is left are a batch's own ids, targets, positions and losses: a few ints a token.
      long perToken = (many - few) / (512 - 128);
      assertTrue(perToken < HIDDEN * Float.BYTES / 4, perToken + " bytes a token");
      assertTrue(many < 512L * HIDDEN * Float.BYTES, many + " bytes a step");
    }
  }

  /**
   * What this thread allocates in a step. Before the just-in-time compiler is done with them,
   * kernels of the Vector API allocate the vectors they work on; it is waited for.
   */
  private static long bytesOfAStep(LoraTrainer trainer, int tokens) {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    TokenBatch batch = TokenBatch.of(TrainingRun.document(new SplittableRandom(tokens), tokens));
    long least = Long.MAX_VALUE;
    int steady = 0;
    for (int i = 0; i < 600 && steady < 8; i++) {
      long before = threads.getCurrentThreadAllocatedBytes();
      trainer.step(batch);
      long bytes = threads.getCurrentThreadAllocatedBytes() - before;
      steady = bytes < (long) tokens * HIDDEN * Float.BYTES ? steady + 1 : 0;
      least = Math.min(least, bytes);
    }
    return least;
  }
}
