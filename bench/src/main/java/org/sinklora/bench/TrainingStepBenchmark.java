package org.sinklora.bench;

import java.io.IOException;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.AttentionPlan;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraConfig;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;
import org.sinklora.lora.TokenBatch;
import org.sinklora.lora.TrainingConfig;
import org.sinklora.sfattn.AttentionPattern;

/**
 * One LoRA step (forward, backward, optimiser) of the bundled model on one sequence: rank 8 on the
 * four attention projections.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(
    value = 1,
    jvmArgsAppend = {"--add-modules=jdk.incubator.vector", "-Xmx4g"})
@Warmup(iterations = 4, time = 5)
@Measurement(iterations = 5, time = 5)
public class TrainingStepBenchmark {
  @Param({"full", "sf"})
  String attention;

  @Param("4096")
  int length;

  @Param("2")
  int threads;

  private CpuDevice device;
  private CausalLm model;
  private LoraAdapter adapter;
  private LoraTrainer trainer;
  private TokenBatch batch;

  @Setup(Level.Trial)
  public void prepare() throws IOException {
    device = new CpuDevice(threads);
    model = CausalLm.load(BundledModel.folder(), device);
    LoraConfig config =
        LoraConfig.builder()
            .setRank(8)
            .setAlpha(16)
            .setTargetModules("q_proj", "k_proj", "v_proj", "o_proj")
            .build();
    adapter = LoraAdapter.create(model, config, 1);
    AttentionPattern pattern =
        attention.equals("full")
            ? AttentionPattern.full()
            : AttentionPattern.sinkFixed(length / 4, 0.25, 4);
    TrainingConfig training =
        TrainingConfig.builder(1_000_000).optAttention(AttentionPlan.of(pattern)).build();
    trainer = new LoraTrainer(model.withAdapter(adapter), training);
    SplittableRandom random = new SplittableRandom(1);
    batch = TokenBatch.of(random.ints(length, 0, model.config().vocabSize()).toArray());
  }

  @Benchmark
  public StepResult step() {
    return trainer.step(batch);
  }

  @TearDown(Level.Trial)
  public void close() {
    trainer.close();
    adapter.close();
    model.close();
    device.close();
  }
}
