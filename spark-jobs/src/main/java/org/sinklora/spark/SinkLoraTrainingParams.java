package org.sinklora.spark;

import org.apache.spark.ml.param.BooleanParam;
import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntArrayParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.LongParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.StringArrayParam;
import org.sinklora.lora.GradientCheckpointing;
import org.sinklora.lora.LearningRateSchedule;

/**
 * How a {@link SinkLoraEstimator} trains; names and defaults are those of {@code sinklora train},
 * but for {@link #device()}.
 *
 * @param <S> the class that has these params, which its setters return
 */
public interface SinkLoraTrainingParams<S extends SinkLoraTrainingParams<S>>
    extends SinkLoraOutputParams<S>, SinkLoraDeviceParams<S> {

  /** Tokens of a sequence; if not set, the model's context. */
  default IntParam context() {
    return new IntParam(
        this,
        "context",
        "tokens of a sequence; if not set, the model's context",
        ParamRule.atLeast("context", 2));
  }

  /** Value of {@link #context()}. */
  default int getContext() {
    return (Integer) getOrDefault(context());
  }

  /** Sets {@link #context()}. */
  default S setContext(int value) {
    return ParamSetting.set(this, context(), value);
  }

  /** How positions reach a longer context: linear, dynamic, yarn or none. */
  default Param<String> ropeScaling() {
    return new Param<>(
        this,
        "ropeScaling",
        "how positions reach a longer context: linear, dynamic, yarn or none",
        ParamRule.oneOf("ropeScaling", "linear", "dynamic", "yarn", "none"));
  }

  /** Value of {@link #ropeScaling()}. */
  default String getRopeScaling() {
    return getOrDefault(ropeScaling());
  }

  /** Sets {@link #ropeScaling()}. */
  default S setRopeScaling(String value) {
    return ParamSetting.set(this, ropeScaling(), value);
  }

  /** Attention pattern: full, sf (Sink Fixed) or s2 (LongLoRA's). */
  default Param<String> attention() {
    return new Param<>(
        this,
        "attention",
        "full, sf (Sink Fixed) or s2 (LongLoRA's, for comparison)",
        ParamRule.oneOf("attention", "full", "sf", "s2"));
  }

  /** Value of {@link #attention()}. */
  default String getAttention() {
    return getOrDefault(attention());
  }

  /** Sets {@link #attention()}. */
  default S setAttention(String value) {
    return ParamSetting.set(this, attention(), value);
  }

  /** Tokens of an attention group; if not set, a quarter of the context. */
  default IntParam groupSize() {
    return new IntParam(
        this,
        "groupSize",
        "tokens of an attention group; if not set, a quarter of the context",
        ParamRule.atLeast("groupSize", 2));
  }

  /** Value of {@link #groupSize()}. */
  default int getGroupSize() {
    return (Integer) getOrDefault(groupSize());
  }

  /** Sets {@link #groupSize()}. */
  default S setGroupSize(int value) {
    return ParamSetting.set(this, groupSize(), value);
  }

  /** First tokens that every token sees under sf. */
  default IntParam sinks() {
    return new IntParam(
        this,
        "sinks",
        "first tokens that every token sees under sf",
        ParamRule.atLeast("sinks", 0));
  }

  /** Value of {@link #sinks()}. */
  default int getSinks() {
    return (Integer) getOrDefault(sinks());
  }

  /** Sets {@link #sinks()}. */
  default S setSinks(int value) {
    return ParamSetting.set(this, sinks(), value);
  }

  /** Share of the heads with shifted groups under sf. */
  default DoubleParam shiftedHeadRatio() {
    return new DoubleParam(
        this,
        "shiftedHeadRatio",
        "share of the heads with shifted groups under sf",
        ParamRule.share("shiftedHeadRatio"));
  }

  /** Value of {@link #shiftedHeadRatio()}. */
  default double getShiftedHeadRatio() {
    return (Double) getOrDefault(shiftedHeadRatio());
  }

  /** Sets {@link #shiftedHeadRatio()}. */
  default S setShiftedHeadRatio(double value) {
    return ParamSetting.set(this, shiftedHeadRatio(), value);
  }

  /** Layers that always attend fully, counted from 0. */
  default IntArrayParam fullAttentionLayers() {
    return new IntArrayParam(
        this, "fullAttentionLayers", "layers that always attend fully, counted from 0");
  }

  /** Value of {@link #fullAttentionLayers()}. */
  default int[] getFullAttentionLayers() {
    return getOrDefault(fullAttentionLayers());
  }

  /** Sets {@link #fullAttentionLayers()}. */
  default S setFullAttentionLayers(int... values) {
    return ParamSetting.set(this, fullAttentionLayers(), values);
  }

  /** Share of the steps, at the end, with full attention. */
  default DoubleParam fullAttentionTail() {
    return new DoubleParam(
        this,
        "fullAttentionTail",
        "share of the steps, at the end, with full attention",
        ParamRule.share("fullAttentionTail"));
  }

  /** Value of {@link #fullAttentionTail()}. */
  default double getFullAttentionTail() {
    return (Double) getOrDefault(fullAttentionTail());
  }

  /** Sets {@link #fullAttentionTail()}. */
  default S setFullAttentionTail(double value) {
    return ParamSetting.set(this, fullAttentionTail(), value);
  }

  /** Rank of the LoRA updates. */
  default IntParam rank() {
    return new IntParam(this, "rank", "rank of the LoRA updates", ParamRule.atLeast("rank", 1));
  }

  /** Value of {@link #rank()}. */
  default int getRank() {
    return (Integer) getOrDefault(rank());
  }

  /** Sets {@link #rank()}. */
  default S setRank(int value) {
    return ParamSetting.set(this, rank(), value);
  }

  /** LoRA's alpha; the updates are scaled by alpha/rank. */
  default DoubleParam alpha() {
    return new DoubleParam(
        this,
        "alpha",
        "LoRA's alpha; the updates are scaled by alpha/rank",
        ParamRule.positive("alpha"));
  }

  /** Value of {@link #alpha()}. */
  default double getAlpha() {
    return (Double) getOrDefault(alpha());
  }

  /** Sets {@link #alpha()}. */
  default S setAlpha(double value) {
    return ParamSetting.set(this, alpha(), value);
  }

  /** LoRA dropout. */
  default DoubleParam dropout() {
    return new DoubleParam(this, "dropout", "LoRA dropout", ParamRule.share("dropout"));
  }

  /** Value of {@link #dropout()}. */
  default double getDropout() {
    return (Double) getOrDefault(dropout());
  }

  /** Sets {@link #dropout()}. */
  default S setDropout(double value) {
    return ParamSetting.set(this, dropout(), value);
  }

  /** Linears with a LoRA update. */
  default StringArrayParam targetModules() {
    return new StringArrayParam(
        this, "targetModules", "linears with a LoRA update", ParamRule.someOf("targetModules"));
  }

  /** Value of {@link #targetModules()}. */
  default String[] getTargetModules() {
    return getOrDefault(targetModules());
  }

  /** Sets {@link #targetModules()}. */
  default S setTargetModules(String... values) {
    return ParamSetting.set(this, targetModules(), values);
  }

  /** Modules trained whole (LoRA+), for example embed_tokens and norm. */
  default StringArrayParam modulesToSave() {
    return new StringArrayParam(
        this, "modulesToSave", "modules trained whole (LoRA+), for example embed_tokens, norm");
  }

  /** Value of {@link #modulesToSave()}. */
  default String[] getModulesToSave() {
    return getOrDefault(modulesToSave());
  }

  /** Sets {@link #modulesToSave()}. */
  default S setModulesToSave(String... values) {
    return ParamSetting.set(this, modulesToSave(), values);
  }

  /** How the base's linears are kept: none, or nf4 for 4.5 bits a weight (QLoRA). */
  default Param<String> quantization() {
    return new Param<>(
        this,
        "quantization",
        "how the base's linears are kept: none, or nf4 for 4.5 bits a weight (QLoRA)",
        ParamRule.oneOf("quantization", "none", "nf4"));
  }

  /** Value of {@link #quantization()}. */
  default String getQuantization() {
    return getOrDefault(quantization());
  }

  /** Sets {@link #quantization()}. */
  default S setQuantization(String value) {
    return ParamSetting.set(this, quantization(), value);
  }

  /** Optimiser steps. */
  default LongParam steps() {
    return new LongParam(this, "steps", "optimiser steps", ParamRule.atLeast("steps", 1));
  }

  /** Value of {@link #steps()}. */
  default long getSteps() {
    return (Long) getOrDefault(steps());
  }

  /** Sets {@link #steps()}. */
  default S setSteps(long value) {
    return ParamSetting.set(this, steps(), value);
  }

  /** Sequences of a step, over all tasks. */
  default IntParam batchSize() {
    return new IntParam(
        this,
        "batchSize",
        "sequences of a step, over all tasks",
        ParamRule.atLeast("batchSize", 1));
  }

  /** Value of {@link #batchSize()}. */
  default int getBatchSize() {
    return (Integer) getOrDefault(batchSize());
  }

  /** Sets {@link #batchSize()}. */
  default S setBatchSize(int value) {
    return ParamSetting.set(this, batchSize(), value);
  }

  /** Peak learning rate. */
  default DoubleParam learningRate() {
    return new DoubleParam(
        this, "learningRate", "peak learning rate", ParamRule.positive("learningRate"));
  }

  /** Value of {@link #learningRate()}. */
  default double getLearningRate() {
    return (Double) getOrDefault(learningRate());
  }

  /** Sets {@link #learningRate()}. */
  default S setLearningRate(double value) {
    return ParamSetting.set(this, learningRate(), value);
  }

  /** Course of the learning rate: constant_with_warmup, cosine or linear. */
  default Param<String> schedule() {
    return new Param<>(
        this,
        "schedule",
        "course of the learning rate: constant_with_warmup, cosine or linear",
        ParamRule.parsed("schedule", LearningRateSchedule::named));
  }

  /** Value of {@link #schedule()}. */
  default String getSchedule() {
    return getOrDefault(schedule());
  }

  /** Sets {@link #schedule()}. */
  default S setSchedule(String value) {
    return ParamSetting.set(this, schedule(), value);
  }

  /** Steps in which the rate rises. */
  default IntParam warmupSteps() {
    return new IntParam(
        this, "warmupSteps", "steps in which the rate rises", ParamRule.atLeast("warmupSteps", 0));
  }

  /** Value of {@link #warmupSteps()}. */
  default int getWarmupSteps() {
    return (Integer) getOrDefault(warmupSteps());
  }

  /** Sets {@link #warmupSteps()}. */
  default S setWarmupSteps(int value) {
    return ParamSetting.set(this, warmupSteps(), value);
  }

  /** Weight decay of AdamW. */
  default DoubleParam weightDecay() {
    return new DoubleParam(
        this, "weightDecay", "weight decay of AdamW", ParamRule.notNegative("weightDecay"));
  }

  /** Value of {@link #weightDecay()}. */
  default double getWeightDecay() {
    return (Double) getOrDefault(weightDecay());
  }

  /** Sets {@link #weightDecay()}. */
  default S setWeightDecay(double value) {
    return ParamSetting.set(this, weightDecay(), value);
  }

  /** Norm that gradients are clipped to; 0: not. */
  default DoubleParam maxGradNorm() {
    return new DoubleParam(
        this,
        "maxGradNorm",
        "norm that gradients are clipped to; 0: not",
        ParamRule.notNegative("maxGradNorm"));
  }

  /** Value of {@link #maxGradNorm()}. */
  default double getMaxGradNorm() {
    return (Double) getOrDefault(maxGradNorm());
  }

  /** Sets {@link #maxGradNorm()}. */
  default S setMaxGradNorm(double value) {
    return ParamSetting.set(this, maxGradNorm(), value);
  }

  /** Whether activations are computed again, which saves memory: true, false or auto. */
  default Param<String> gradientCheckpointing() {
    return new Param<>(
        this,
        "gradientCheckpointing",
        "compute activations again, which saves memory: true, false or auto",
        ParamRule.parsed("gradientCheckpointing", GradientCheckpointing::parse));
  }

  /** Value of {@link #gradientCheckpointing()}. */
  default String getGradientCheckpointing() {
    return getOrDefault(gradientCheckpointing());
  }

  /** Sets {@link #gradientCheckpointing()}. */
  default S setGradientCheckpointing(String value) {
    return ParamSetting.set(this, gradientCheckpointing(), value);
  }

  /** Steps that workers do apart before they agree on the adapter (DiLoCo); 1: all are in step. */
  default IntParam syncEvery() {
    return new IntParam(
        this,
        "syncEvery",
        "steps that workers do apart before they agree (DiLoCo); 1: all are in step",
        ParamRule.atLeast("syncEvery", 1));
  }

  /** Value of {@link #syncEvery()}. */
  default int getSyncEvery() {
    return (Integer) getOrDefault(syncEvery());
  }

  /** Sets {@link #syncEvery()}. */
  default S setSyncEvery(int value) {
    return ParamSetting.set(this, syncEvery(), value);
  }

  /** With syncEvery above 1: who does so, each on a share of the batch, as one task. */
  default IntParam workers() {
    return new IntParam(
        this,
        "workers",
        "with syncEvery above 1: who does so, each on a share of the batch",
        ParamRule.atLeast("workers", 0));
  }

  /** Value of {@link #workers()}. */
  default int getWorkers() {
    return (Integer) getOrDefault(workers());
  }

  /** Sets {@link #workers()}. */
  default S setWorkers(int value) {
    return ParamSetting.set(this, workers(), value);
  }

  /** With syncEvery above 1: of the step towards the workers' mean. */
  default DoubleParam outerLearningRate() {
    return new DoubleParam(
        this,
        "outerLearningRate",
        "with syncEvery above 1: of the step towards the workers' mean",
        ParamRule.positive("outerLearningRate"));
  }

  /** Value of {@link #outerLearningRate()}. */
  default double getOuterLearningRate() {
    return (Double) getOrDefault(outerLearningRate());
  }

  /** Sets {@link #outerLearningRate()}. */
  default S setOuterLearningRate(double value) {
    return ParamSetting.set(this, outerLearningRate(), value);
  }

  /** With syncEvery above 1: Nesterov's momentum of that step. */
  default DoubleParam outerMomentum() {
    return new DoubleParam(
        this,
        "outerMomentum",
        "with syncEvery above 1: Nesterov's momentum of that step",
        ParamRule.share("outerMomentum"));
  }

  /** Value of {@link #outerMomentum()}. */
  default double getOuterMomentum() {
    return (Double) getOrDefault(outerMomentum());
  }

  /** Sets {@link #outerMomentum()}. */
  default S setOuterMomentum(double value) {
    return ParamSetting.set(this, outerMomentum(), value);
  }

  /** What adapter and gradients are on their way: float32, or bfloat16 with half the bytes. */
  default Param<String> communication() {
    return new Param<>(
        this,
        "communication",
        "what adapter and gradients are on their way: float32 or bfloat16",
        ParamRule.oneOf("communication", "float32", "bfloat16"));
  }

  /** Value of {@link #communication()}. */
  default String getCommunication() {
    return getOrDefault(communication());
  }

  /** Sets {@link #communication()}. */
  default S setCommunication(String value) {
    return ParamSetting.set(this, communication(), value);
  }

  /** Texts shorter than that are left out. */
  default IntParam minCharacters() {
    return new IntParam(
        this,
        "minCharacters",
        "texts shorter than that are left out",
        ParamRule.atLeast("minCharacters", 0));
  }

  /** Value of {@link #minCharacters()}. */
  default int getMinCharacters() {
    return (Integer) getOrDefault(minCharacters());
  }

  /** Sets {@link #minCharacters()}. */
  default S setMinCharacters(int value) {
    return ParamSetting.set(this, minCharacters(), value);
  }

  /**
   * Whether short documents share a sequence; of a column with token ids, whether its rows are such
   * sequences already, of at most the context's tokens.
   */
  default BooleanParam pack() {
    return new BooleanParam(
        this, "pack", "short documents share a sequence; of token ids: they do already");
  }

  /** Value of {@link #pack()}. */
  default boolean getPack() {
    return (Boolean) getOrDefault(pack());
  }

  /** Sets {@link #pack()}. */
  default S setPack(boolean value) {
    return ParamSetting.set(this, pack(), value);
  }

  /**
   * Folder that every host sees, for the prepared texts and the training while it runs; if not set,
   * a temporary one, on a cluster below the home folder of the default file system.
   */
  default Param<String> workFolder() {
    return new Param<>(
        this,
        "workFolder",
        "folder that every host sees, for what lies on disk while the training runs; if not set, a temporary one");
  }

  /** Value of {@link #workFolder()}. */
  default String getWorkFolder() {
    return getOrDefault(workFolder());
  }

  /** Sets {@link #workFolder()}. */
  default S setWorkFolder(String value) {
    return ParamSetting.set(this, workFolder(), value);
  }
}
