package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.Serializable;
import java.util.List;
import org.sinklora.lora.AttentionPlan;
import org.sinklora.lora.GradientCheckpointing;
import org.sinklora.lora.LearningRateSchedule;
import org.sinklora.lora.LoraConfig;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.Quantization;
import org.sinklora.lora.TrainingConfig;
import org.sinklora.sfattn.AttentionPattern;

/**
 * The resolved settings of a run. With the same settings and data a run gives the same adapter;
 * where it runs and what it writes on the way is not in here.
 *
 * @param model location of the base model
 * @param context tokens of a sequence
 * @param ropeScaling how positions are stretched to it
 * @param attention pattern by layer and step
 * @param lora the adapter
 * @param optimizer steps and rates
 * @param seed of everything random
 * @param rounds how often processes agree on the adapter, and what they send
 */
record TrainSettings(
    String model,
    int context,
    String ropeScaling,
    Attention attention,
    Lora lora,
    Optimizer optimizer,
    long seed,
    Rounds rounds)
    implements Serializable {
  private static final JsonMapper JSON = new JsonMapper();

  /**
   * @throws UserException if the workers of a round are more than the sequences of a step
   */
  TrainSettings {
    if (rounds == null) {
      // Written before there was a choice.
      rounds = Rounds.DEFAULT;
    }
    rounds.checkWorkers(optimizer.batchSize());
  }

  /** Settings with all processes in step. */
  TrainSettings(
      String model,
      int context,
      String ropeScaling,
      Attention attention,
      Lora lora,
      Optimizer optimizer,
      long seed) {
    this(model, context, ropeScaling, attention, lora, optimizer, seed, Rounds.DEFAULT);
  }

  /** See the options of {@link TrainOptions}. */
  record Attention(
      String pattern,
      int groupSize,
      int sinks,
      double shiftedHeadRatio,
      List<Integer> fullAttentionLayers,
      double fullAttentionTail)
      implements Serializable {

    /** Of a sequence: a quarter of it, rounded down to what can be shifted by half. */
    static int defaultGroupSize(int context) {
      return Math.max(2, context / 8 * 2);
    }

    /** Who names a layer twice means it once. */
    Attention {
      fullAttentionLayers = fullAttentionLayers.stream().distinct().toList();
    }

    /**
     * @param context tokens of a sequence
     * @throws UserException if the pattern can't take sequences of that length
     */
    void check(int context) {
      if (pattern.equals("s2") && context % groupSize != 0) {
        throw new UserException(
            "--attention s2 cuts a sequence into whole groups, and --context %d is no multiple of --group-size %d; choose another of the two, or --attention sf, which takes any length"
                .formatted(context, groupSize));
      }
    }

    AttentionPlan plan() {
      if (!AttentionPattern.NAMES.contains(pattern)) {
        throw new UserException("--attention is '%s'; choose full, s2 or sf".formatted(pattern));
      }
      AttentionPattern chosen = AttentionPattern.named(pattern, groupSize, shiftedHeadRatio, sinks);
      return AttentionPlan.of(chosen)
          .withFullAttentionLayers(fullAttentionLayers.toArray(Integer[]::new))
          .withFullAttentionTail(fullAttentionTail);
    }
  }

  /** See the options of {@link TrainOptions}. */
  record Lora(
      int rank,
      double alpha,
      double dropout,
      List<String> targetModules,
      List<String> modulesToSave,
      String quantization)
      implements Serializable {

    /** How the base is kept; one that names nothing is kept as it is computed with. */
    Quantization base() {
      return quantization == null ? Quantization.NONE : Quantization.parse(quantization);
    }
  }

  /** See the options of {@link TrainOptions}. */
  record Optimizer(
      long steps,
      int batchSize,
      double learningRate,
      String schedule,
      int warmupSteps,
      double weightDecay,
      double maxGradNorm,
      String gradientCheckpointing,
      double memoryLimit)
      implements Serializable {}

  /**
   * See the options of {@link TrainOptions}.
   *
   * @param workers that do the steps of a round apart; 0 where a round is one step
   */
  record Rounds(
      int syncEvery,
      int workers,
      String communication,
      double outerLearningRate,
      double outerMomentum)
      implements Serializable {
    static final Rounds DEFAULT = new Rounds(1, 0, "float32", 0.7, 0.5);

    /**
     * @throws UserException if the values make no sense
     */
    Rounds {
      Communication.named(communication);
      if (syncEvery < 1) {
        throw new UserException("--sync-every is %d; choose 1 or more".formatted(syncEvery));
      }
      if (syncEvery == 1 && workers != 0) {
        throw new UserException(
            "--workers is %d, but with --sync-every 1 the number of tasks does not matter; leave it out (--partitions cuts the work), or choose a larger --sync-every"
                .formatted(workers));
      }
      if (syncEvery > 1 && workers < 1) {
        throw new UserException(
            "--sync-every is %d and --workers %d; the number of workers decides the result: choose 1 or more, usually as many as executors"
                .formatted(syncEvery, workers));
      }
      if (!(outerLearningRate > 0) || !(outerMomentum >= 0 && outerMomentum < 1)) {
        throw new UserException(
            "--outer-learning-rate is %s and --outer-momentum %s; choose a rate above 0 and a momentum in [0, 1)"
                .formatted(outerLearningRate, outerMomentum));
      }
      if (syncEvery == 1) {
        // There is no outer step: a run must not differ from another by what it does not use.
        outerLearningRate = 0.7;
        outerMomentum = 0.5;
      }
    }

    /** Whether workers do several steps before they agree. */
    boolean areLocal() {
      return syncEvery > 1;
    }

    Communication type() {
      return Communication.named(communication);
    }

    private void checkWorkers(int batchSize) {
      if (workers > batchSize) {
        throw new UserException(
            "--workers is %d, but a step has only %d sequences (--batch-size); choose %d or less, or a larger --batch-size"
                .formatted(workers, batchSize, batchSize));
      }
    }

    /**
     * @param partitions asked for, 0 for none
     * @throws UserException if they are not the workers
     */
    void checkPartitions(int partitions) {
      if (areLocal() && partitions != 0 && partitions != workers) {
        throw new UserException(
            "--partitions is %d and --workers %d; each worker is one task: leave out --partitions"
                .formatted(partitions, workers));
      }
    }

    /**
     * @param why values stay as they are
     * @throws UserException if they should be rounded
     */
    void checkNothingIsRounded(String why) {
      if (type() != Communication.FLOAT32) {
        throw new UserException(
            "--communication is %s, but %s; leave it out".formatted(communication, why));
      }
    }
  }

  /**
   * The base model as these settings train it.
   *
   * @param plain the model as it is
   * @throws RuntimeException with a message for people, if settings and model do not fit
   */
  ModelSource trained(ModelSource plain) {
    trainingConfig();
    attention.check(context);
    loraConfig(plain.config());
    return plain.extended(context, ropeScaling).quantized(lora.base());
  }

  LoraConfig loraConfig(ModelConfig config) {
    boolean embeddingTrained =
        lora.modulesToSave().stream().anyMatch(name -> name.contains("embed"));
    return LoraConfig.builder()
        .setRank(lora.rank())
        .setAlpha(lora.alpha())
        .setTargetModules(lora.targetModules().toArray(String[]::new))
        .optDropout(lora.dropout())
        .optModulesToSave(lora.modulesToSave())
        .optEnsureWeightTying(config.tieWordEmbeddings() && embeddingTrained)
        .optBaseModel(model, null)
        .build();
  }

  TrainingConfig trainingConfig() {
    return TrainingConfig.builder(optimizer.steps())
        .optLearningRate(optimizer.learningRate())
        .optSchedule(LearningRateSchedule.named(optimizer.schedule()))
        .optWarmupSteps(optimizer.warmupSteps())
        .optWeightDecay(optimizer.weightDecay())
        .optMaxGradNorm(optimizer.maxGradNorm())
        .optGradientCheckpointing(GradientCheckpointing.parse(optimizer.gradientCheckpointing()))
        .optMemoryLimit(Math.round(optimizer.memoryLimit() * (1L << 30)))
        .optAttention(attention.plan())
        .optSeed(seed)
        .build();
  }

  ObjectNode toJson() {
    return JSON.valueToTree(this);
  }

  /** Makes settings that an older version wrote what this one would have written. */
  static void completeJson(JsonNode settings) {
    if (settings instanceof ObjectNode fields && !fields.has("rounds")) {
      fields.set("rounds", JSON.valueToTree(Rounds.DEFAULT));
    }
    if (settings.path("lora") instanceof ObjectNode fields && !fields.has("quantization")) {
      fields.put("quantization", "none");
    }
    if (settings instanceof ObjectNode fields && fields.path("model").isTextual()) {
      fields.put("model", Storage.withoutSlash(fields.path("model").asText()));
    }
  }
}
