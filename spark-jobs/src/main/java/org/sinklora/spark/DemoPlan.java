package org.sinklora.spark;

import java.nio.file.Path;
import java.util.List;
import org.sinklora.data.BundledModel;

/**
 * The recipe of the demo.
 *
 * @param attention pattern to train with
 * @param corpus has {@code train/} and {@code heldout/}
 * @param output receives everything
 * @param steps of one sequence each
 * @param context tokens of a sequence
 * @param documents held-out documents to evaluate on
 */
record DemoPlan(
    String attention, Path corpus, String output, int steps, int context, int documents) {
  /** Shorter source files have no window of 4,096 tokens; 3 characters make a token. */
  static final int TRAIN_CHARACTERS = 14_000;

  /** What the cache of the demo's generation keeps. */
  static final String CACHE_POLICY = "h2o:heavy=0.1,recent=0.1";

  /** Tokens that the demo generates. */
  static final int GENERATED_TOKENS = 64;

  private static final double LEARNING_RATE = 3e-3;
  private static final int WARMUP_STEPS = 10;

  /** LoRA+ : embeddings and norms are trained with the low-rank updates. */
  TrainSettings settings() {
    return new TrainSettings(
        BundledModel.NAME,
        context,
        "linear",
        new TrainSettings.Attention(
            attention, TrainSettings.Attention.defaultGroupSize(context), 4, 0.25, List.of(), 0),
        new TrainSettings.Lora(
            8,
            16,
            0,
            List.of("q_proj", "k_proj", "v_proj", "o_proj"),
            List.of("embed_tokens", "norm", "input_layernorm", "post_attention_layernorm"),
            "none"),
        new TrainSettings.Optimizer(
            steps, 1, LEARNING_RATE, "constant_with_warmup", WARMUP_STEPS, 0, 1, "auto", 0),
        0);
  }
}
