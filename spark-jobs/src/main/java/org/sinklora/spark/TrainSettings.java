package org.sinklora.spark;

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
 * The resolved settings of a run that decide its result. With the same settings and data a run
 * gives the same adapter; where it runs and what it writes on the way is not in here.
 *
 * @param model location of the base model
 * @param context tokens of a sequence
 * @param ropeScaling how positions are stretched to it
 * @param attention pattern by layer and step
 * @param lora the adapter
 * @param optimizer steps and rates
 * @param seed of everything random
 */
record TrainSettings(
    String model,
    int context,
    String ropeScaling,
    Attention attention,
    Lora lora,
    Optimizer optimizer,
    long seed)
    implements Serializable {
  private static final JsonMapper JSON = new JsonMapper();

  /** See the options of {@link TrainOptions}. */
  record Attention(
      String pattern,
      int groupSize,
      int sinks,
      double shiftedHeadRatio,
      List<Integer> fullAttentionLayers,
      double fullAttentionTail)
      implements Serializable {

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
}
