package org.sinklora.lora;

/**
 * Settings of a training run.
 *
 * @param steps optimiser steps of the whole run; schedules are stretched over them
 * @param learningRate peak rate
 * @param schedule of the learning rate
 * @param warmupSteps steps in which the rate rises
 * @param weightDecay decoupled, on every trained parameter
 * @param beta1 AdamW's decay of the first moment
 * @param beta2 AdamW's decay of the second moment
 * @param epsilon AdamW's
 * @param maxGradNorm gradients are scaled down to this norm; 0 leaves them as they are
 * @param attention pattern by layer and step
 * @param gradientCheckpointing what is kept for the backward and what is computed again
 * @param memoryLimit bytes of the device's memory that the run may take, weights included; 0 for
 *     all that is free
 * @param seed of everything random in the run
 */
public record TrainingConfig(
    long steps,
    double learningRate,
    LearningRateSchedule schedule,
    int warmupSteps,
    double weightDecay,
    double beta1,
    double beta2,
    double epsilon,
    double maxGradNorm,
    AttentionPlan attention,
    GradientCheckpointing gradientCheckpointing,
    long memoryLimit,
    long seed) {

  public TrainingConfig {
    require(steps > 0, "steps", steps, "at least 1");
    require(learningRate >= 0 && learningRate < 1e3, "learningRate", learningRate, "in [0, 1000)");
    require(warmupSteps >= 0, "warmupSteps", warmupSteps, "at least 0");
    require(weightDecay >= 0 && weightDecay < 1e3, "weightDecay", weightDecay, "in [0, 1000)");
    require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "in [0, 1)");
    require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "in [0, 1)");
    require(epsilon > 0, "epsilon", epsilon, "above 0");
    require(maxGradNorm >= 0, "maxGradNorm", maxGradNorm, "at least 0 (0: no clipping)");
    require(memoryLimit >= 0, "memoryLimit", memoryLimit, "at least 0 (0: no limit)");
  }

  /** The learning rate of a step, counted from 0. */
  public double learningRateOf(long step) {
    return learningRate * schedule.factor(step, steps, warmupSteps);
  }

  /** Whether a step would be another if the run had more steps. */
  public boolean isStretchedOverSteps() {
    return schedule != LearningRateSchedule.CONSTANT_WITH_WARMUP
        || attention.fullAttentionTail() > 0;
  }

  private static void require(boolean holds, String name, Object value, String expected) {
    if (!holds) {
      throw new IllegalArgumentException("%s must be %s, not %s".formatted(name, expected, value));
    }
  }

  /** A builder with LongLoRA's defaults: AdamW at 2e-5 with constant rate after 20 steps. */
  public static Builder builder(long steps) {
    return new Builder(steps);
  }

  /** Collects settings; what is not set keeps its default. */
  public static final class Builder {
    private final long steps;
    private double learningRate = 2e-5;
    private LearningRateSchedule schedule = LearningRateSchedule.CONSTANT_WITH_WARMUP;
    private int warmupSteps = 20;
    private double weightDecay;
    private double beta1 = 0.9;
    private double beta2 = 0.999;
    private double epsilon = 1e-8;
    private double maxGradNorm = 1;
    private AttentionPlan attention = AttentionPlan.FULL;
    private GradientCheckpointing gradientCheckpointing = GradientCheckpointing.AUTO;
    private long memoryLimit;
    private long seed;

    private Builder(long steps) {
      this.steps = steps;
    }

    public Builder optLearningRate(double value) {
      learningRate = value;
      return this;
    }

    public Builder optSchedule(LearningRateSchedule value) {
      schedule = value;
      return this;
    }

    public Builder optWarmupSteps(int value) {
      warmupSteps = value;
      return this;
    }

    public Builder optWeightDecay(double value) {
      weightDecay = value;
      return this;
    }

    public Builder optBetas(double first, double second) {
      beta1 = first;
      beta2 = second;
      return this;
    }

    public Builder optEpsilon(double value) {
      epsilon = value;
      return this;
    }

    public Builder optMaxGradNorm(double value) {
      maxGradNorm = value;
      return this;
    }

    public Builder optAttention(AttentionPlan value) {
      attention = value;
      return this;
    }

    public Builder optGradientCheckpointing(boolean value) {
      return optGradientCheckpointing(value ? GradientCheckpointing.ON : GradientCheckpointing.OFF);
    }

    public Builder optGradientCheckpointing(GradientCheckpointing value) {
      gradientCheckpointing = value;
      return this;
    }

    public Builder optMemoryLimit(long bytes) {
      memoryLimit = bytes;
      return this;
    }

    public Builder optSeed(long value) {
      seed = value;
      return this;
    }

    public TrainingConfig build() {
      return new TrainingConfig(
          steps,
          learningRate,
          schedule,
          warmupSteps,
          weightDecay,
          beta1,
          beta2,
          epsilon,
          maxGradNorm,
          attention,
          gradientCheckpointing,
          memoryLimit,
          seed);
    }
  }
}
