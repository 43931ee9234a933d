package org.sinklora.lora;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import org.sinklora.compute.Device;
import org.sinklora.sfattn.AttentionPattern;

/**
 * Time and memory of training steps: LoRA of rank 8 on the attention's linears, embeddings and
 * norms trained, AdamW, one sequence of random tokens a step.
 */
public final class StepBench {
  private static final int RANK = 8;
  private static final int SINKS = 4;
  private static final double SHIFTED_HEAD_RATIO = 0.25;

  private final CausalLm base;
  private final GradientCheckpointing checkpointing;
  private final long memoryLimit;
  private final int steps;

  /**
   * One measurement.
   *
   * @param attention pattern, with groups of a quarter of the tokens
   * @param tokens of a step
   * @param bestSeconds the fastest step after the first
   * @param medianSeconds the median of the steps after the first
   * @param tokensPerSecond of the fastest step
   * @param peakBytes the most that the device's tensors took at a time, weights included
   * @param loss of the last step
   * @param plan what was kept in memory
   */
  public record Row(
      String attention,
      int tokens,
      double bestSeconds,
      double medianSeconds,
      double tokensPerSecond,
      long peakBytes,
      double loss,
      String plan) {}

  /**
   * @param base the model; stays the caller's to close
   * @param checkpointing what is kept for the backward
   * @param memoryLimit bytes that the device's tensors may take; 0 for all that is free
   * @param steps steps of a measurement, of which the first warms up; at least 2
   */
  public StepBench(
      CausalLm base, GradientCheckpointing checkpointing, long memoryLimit, int steps) {
    if (steps < 2) {
      throw new IllegalArgumentException(
          "%d steps leave nothing to measure after the first; choose 2 or more".formatted(steps));
    }
    this.base = base;
    this.checkpointing = checkpointing;
    this.memoryLimit = memoryLimit;
    this.steps = steps;
  }

  /**
   * The adapter that is trained.
   *
   * @param config of the model
   */
  public static LoraConfig adapter(ModelConfig config) {
    boolean llama = config instanceof LlamaConfig;
    LoraConfigBuilder builder =
        LoraConfig.builder()
            .setRank(RANK)
            .setAlpha(2 * RANK)
            .optEnsureWeightTying(config.tieWordEmbeddings());
    return llama
        ? builder
            .setTargetModules("q_proj", "k_proj", "v_proj", "o_proj")
            .optModulesToSave(
                List.of("embed_tokens", "norm", "input_layernorm", "post_attention_layernorm"))
            .build()
        : builder
            .setTargetModules("query_key_value", "dense")
            .optModulesToSave(
                List.of(
                    "embed_in", "final_layer_norm", "input_layernorm", "post_attention_layernorm"))
            .build();
  }

  /**
   * The model for contexts of {@code tokens}: positions are interpolated where it was made for
   * less.
   */
  public static ModelConfig extended(ModelConfig config, int tokens) {
    int before = config.maxPositionEmbeddings();
    return tokens <= before
        ? config
        : config.withContext(tokens, config.rope().extendedLinearly((double) tokens / before));
  }

  /**
   * Measures every pattern at every length.
   *
   * @param attentions any of {@code full}, {@code sf}, {@code s2}
   * @param lengths tokens of a step; multiples of 8 for {@code s2}
   */
  public List<Row> run(List<String> attentions, List<Integer> lengths) {
    attentions.forEach(attention -> plan(attention, 8));
    List<Row> rows = new ArrayList<>();
    for (int tokens : lengths) {
      for (String attention : attentions) {
        rows.add(measure(attention, tokens));
      }
    }
    return rows;
  }

  private static AttentionPlan plan(String attention, int tokens) {
    int group = Math.max(2, tokens / 4);
    return AttentionPlan.of(AttentionPattern.named(attention, group, SHIFTED_HEAD_RATIO, SINKS));
  }

  private Row measure(String attention, int tokens) {
    Device device = base.device();
    TrainingConfig settings =
        TrainingConfig.builder(steps)
            .optAttention(plan(attention, tokens))
            .optGradientCheckpointing(checkpointing)
            .optMemoryLimit(memoryLimit)
            .build();
    try (LoraAdapter adapter = LoraAdapter.create(base, adapter(base.config()), 1);
        LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), settings)) {
      device.synchronize();
      device.resetPeakBytes();
      int vocabulary = base.config().vocabSize();
      TokenBatch batch =
          TokenBatch.of(new SplittableRandom(tokens).ints(tokens, 0, vocabulary).toArray());
      double[] seconds = new double[steps];
      double loss = Double.NaN;
      for (int step = 0; step < steps; step++) {
        long start = System.nanoTime();
        loss = trainer.step(batch).loss();
        device.synchronize();
        seconds[step] = (System.nanoTime() - start) / 1e9;
      }
      double[] measured = Arrays.stream(seconds).skip(1).sorted().toArray();
      double best = measured[0];
      return new Row(
          attention,
          tokens,
          best,
          measured[measured.length / 2],
          tokens / best,
          device.peakBytes(),
          loss,
          trainer.memoryPlan().toString());
    }
  }

  /** Prints rows for people. */
  public static void print(List<Row> rows, PrintWriter out) {
    for (Row row : rows) {
      out.printf(
          Locale.ROOT,
          "%-4s %,9d tokens  %8.3f s (median %.3f)  %,9.0f tokens/s  peak %6.2f GiB  loss %.3f%n%s%n",
          row.attention(),
          row.tokens(),
          row.bestSeconds(),
          row.medianSeconds(),
          row.tokensPerSecond(),
          row.peakBytes() / (double) (1 << 30),
          row.loss(),
          row.plan());
    }
    out.flush();
  }
}
