package org.sinklora.spark;

import java.util.List;
import org.sinklora.lora.ModelConfig;
import picocli.CommandLine.Option;

/** The options of training that decide its result. */
final class TrainOptions {
  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      description = "Tokens of a sequence. Default: the model's context.")
  private int context;

  @Option(
      names = "--rope-scaling",
      defaultValue = "linear",
      description =
          "How positions reach a longer context: linear (interpolation), dynamic (NTK-aware), yarn,"
              + " each by the factor between the two, or none. Default: ${DEFAULT-VALUE}.")
  private String ropeScaling;

  @Option(
      names = "--attention",
      defaultValue = "sf",
      description =
          "full, sf (Sink Fixed) or s2 (LongLoRA's, for comparison). Default: ${DEFAULT-VALUE}.")
  private String attention;

  @Option(
      names = "--group-size",
      paramLabel = "TOKENS",
      description =
          "Tokens of an attention group, an even number. Default: a quarter of the context.")
  private int groupSize;

  @Option(
      names = "--sinks",
      defaultValue = "4",
      description = "First tokens that every token sees under sf. Default: ${DEFAULT-VALUE}.")
  private int sinks;

  @Option(
      names = "--shifted-head-ratio",
      defaultValue = "0.25",
      description = "Share of the heads with shifted groups under sf. Default: ${DEFAULT-VALUE}.")
  private double shiftedHeadRatio;

  @Option(
      names = "--full-attention-layers",
      split = ",",
      paramLabel = "LAYER",
      description = "Layers that always attend fully, counted from 0.")
  private List<Integer> fullAttentionLayers = List.of();

  @Option(
      names = "--full-attention-tail",
      defaultValue = "0",
      description = "Share of the steps, at the end, with full attention. Default: 0.")
  private double fullAttentionTail;

  @Option(
      names = "--rank",
      defaultValue = "8",
      description = "Rank of the LoRA updates. Default: ${DEFAULT-VALUE}.")
  private int rank;

  @Option(
      names = "--alpha",
      defaultValue = "16",
      description = "LoRA's alpha; the updates are scaled by alpha/rank. Default: 16.")
  private double alpha;

  @Option(names = "--dropout", defaultValue = "0", description = "LoRA dropout. Default: 0.")
  private double dropout;

  @Option(
      names = "--target-modules",
      split = ",",
      defaultValue = "q_proj,k_proj,v_proj,o_proj",
      description = "Linears with a LoRA update. Default: ${DEFAULT-VALUE}.")
  private List<String> targetModules;

  @Option(
      names = "--modules-to-save",
      split = ",",
      paramLabel = "MODULE",
      description =
          "Modules trained whole (LoRA+): embed_tokens,norm,input_layernorm,"
              + "post_attention_layernorm. Default: none.")
  private List<String> modulesToSave = List.of();

  @Option(
      names = "--quantization",
      defaultValue = "none",
      description =
          "How the base's linears are kept: none, or nf4 for 4.5 bits a weight (QLoRA)."
              + " Default: ${DEFAULT-VALUE}.")
  private String quantization;

  @Option(
      names = "--steps",
      defaultValue = "100",
      description = "Optimiser steps. Default: ${DEFAULT-VALUE}.")
  private long steps;

  @Option(
      names = "--batch-size",
      defaultValue = "1",
      description = "Sequences of a step, over all tasks. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(
      names = "--learning-rate",
      defaultValue = "2e-5",
      description = "Peak learning rate. Default: ${DEFAULT-VALUE}.")
  private double learningRate;

  @Option(
      names = "--schedule",
      defaultValue = "constant_with_warmup",
      description = "constant_with_warmup, cosine or linear. Default: ${DEFAULT-VALUE}.")
  private String schedule;

  @Option(
      names = "--warmup-steps",
      defaultValue = "20",
      description = "Steps in which the rate rises. Default: ${DEFAULT-VALUE}.")
  private int warmupSteps;

  @Option(names = "--weight-decay", defaultValue = "0", description = "AdamW's. Default: 0.")
  private double weightDecay;

  @Option(
      names = "--max-grad-norm",
      defaultValue = "1",
      description =
          "Gradients are clipped to this norm, those of each worker apart; 0: not. Default:"
              + " ${DEFAULT-VALUE}.")
  private double maxGradNorm;

  @Option(
      names = "--gradient-checkpointing",
      paramLabel = "true|false|auto",
      arity = "0..1",
      fallbackValue = "true",
      defaultValue = "auto",
      description =
          "Compute activations again: less memory for about a third more time. Default: auto, as"
              + " far as a GPU's memory asks for it.")
  private String gradientCheckpointing;

  @Option(
      names = "--memory-limit",
      paramLabel = "GIB",
      defaultValue = "0",
      description = "GPU memory that a task may take, weights included. Default: all that is free.")
  private double memoryLimit;

  @Option(
      names = "--sync-every",
      defaultValue = "1",
      paramLabel = "STEPS",
      description =
          "Steps that workers do apart before they agree on the adapter (DiLoCo); 1: all are in"
              + " step. Default: ${DEFAULT-VALUE}.")
  private int syncEvery;

  @Option(
      names = "--workers",
      defaultValue = "0",
      paramLabel = "N",
      description =
          "With --sync-every above 1: who does so, each on a share of --batch-size, as one task.")
  private int workers;

  @Option(
      names = "--outer-learning-rate",
      defaultValue = "0.7",
      description =
          "With --sync-every above 1: of the step towards the workers' mean, which 1 takes as it is"
              + " (with no momentum; best for few rounds). Default: 0.7, as in DiLoCo.")
  private double outerLearningRate;

  @Option(
      names = "--outer-momentum",
      defaultValue = "0.5",
      description =
          "With --sync-every above 1: Nesterov's momentum of that step; DiLoCo's 0.9 is for"
              + " thousands of steps. Default: ${DEFAULT-VALUE}.")
  private double outerMomentum;

  @Option(
      names = "--communication",
      defaultValue = "float32",
      paramLabel = "TYPE",
      description =
          "What adapter and gradients are between Spark's driver and executors: float32, or"
              + " bfloat16 with half the bytes. Default: ${DEFAULT-VALUE}.")
  private String communication;

  @Option(
      names = "--seed",
      defaultValue = "0",
      description = "Decides everything random. Default: ${DEFAULT-VALUE}.")
  private long seed;

  String ropeScaling() {
    return ropeScaling;
  }

  int context() {
    return context;
  }

  /**
   * @param model location of the model
   * @param config its configuration as it is
   */
  TrainSettings resolve(String model, ModelConfig config) {
    int length = context != 0 ? context : config.contextLength();
    if (length < 2) {
      throw new UserException("--context is %d; choose 2 or more".formatted(length));
    }
    if (groupSize < 0) {
      throw new UserException(
          "--group-size is %d; choose an even number from 2".formatted(groupSize));
    }
    ModelSource.checkScaling(ropeScaling);
    if (batchSize < 1) {
      throw new UserException("--batch-size is %d; choose 1 or more".formatted(batchSize));
    }
    return new TrainSettings(
        model,
        length,
        length == config.contextLength() ? "none" : ropeScaling,
        new TrainSettings.Attention(
            attention,
            groupSize > 0 ? groupSize : TrainSettings.Attention.defaultGroupSize(length),
            sinks,
            shiftedHeadRatio,
            fullAttentionLayers,
            fullAttentionTail),
        new TrainSettings.Lora(rank, alpha, dropout, targetModules, modulesToSave, quantization),
        new TrainSettings.Optimizer(
            steps,
            batchSize,
            learningRate,
            schedule,
            warmupSteps,
            weightDecay,
            maxGradNorm,
            gradientCheckpointing,
            memoryLimit),
        seed,
        new TrainSettings.Rounds(
            syncEvery, workers, communication, outerLearningRate, outerMomentum));
  }
}
