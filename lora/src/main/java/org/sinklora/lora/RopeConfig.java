package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The rotary position embedding of a model.
 *
 * @param theta the base of the frequencies
 * @param partialRotaryFactor the part of a head's components that is rotated, above 0, at most 1
 * @param scaling how the frequencies are changed for a longer context
 */
public record RopeConfig(double theta, double partialRotaryFactor, RopeScaling scaling) {

  /**
   * @throws ModelFormatException if a value is out of its range
   */
  public RopeConfig {
    if (!(theta > 1) || Double.isInfinite(theta)) {
      throw new ModelFormatException(
          "RoPE: rope_theta is %s; expected a number above 1".formatted(theta));
    }
    if (!(partialRotaryFactor > 0 && partialRotaryFactor <= 1)) {
      throw new ModelFormatException(
          "RoPE: partial_rotary_factor is %s; expected above 0, at most 1"
              .formatted(partialRotaryFactor));
    }
  }

  /** The original embedding over whole heads. */
  public static RopeConfig unscaled(double theta) {
    return new RopeConfig(theta, 1, new RopeScaling.None());
  }

  /** Position interpolation over whole heads. */
  public static RopeConfig linear(double theta, double factor) {
    return new RopeConfig(theta, 1, new RopeScaling.Linear(factor));
  }

  /** This embedding with another scaling. */
  public RopeConfig withScaling(RopeScaling newScaling) {
    return new RopeConfig(theta, partialRotaryFactor, newScaling);
  }

  /**
   * This embedding by position interpolation over a context {@code factor} times longer. A model
   * that is already interpolated is interpolated further.
   *
   * @throws ModelFormatException if the embedding has a scaling of another type, which does not
   *     combine with interpolation; use {@link #withScaling} to replace it
   */
  public RopeConfig extendedLinearly(double factor) {
    if (scaling instanceof RopeScaling.None) {
      return withScaling(new RopeScaling.Linear(factor));
    }
    if (scaling instanceof RopeScaling.Linear linear) {
      return withScaling(new RopeScaling.Linear(linear.factor() * factor));
    }
    throw cannotBeExtendedBy("linear");
  }

  /**
   * This embedding with YaRN over a context {@code factor} times longer.
   *
   * @param trained positions that the model was trained for
   * @throws ModelFormatException if the embedding is scaled already
   */
  public RopeConfig extendedByYarn(double factor, int trained) {
    if (!(scaling instanceof RopeScaling.None)) {
      throw cannotBeExtendedBy("yarn");
    }
    return withScaling(YarnScaling.of(factor, trained));
  }

  /**
   * This embedding with dynamic NTK-aware scaling over a context {@code factor} times the trained
   * one. A model that is scaled so already gets this factor for its own.
   *
   * @param trained positions that the model was trained for
   * @throws ModelFormatException if the embedding has a scaling of another type, or was trained for
   *     another length
   */
  public RopeConfig extendedDynamically(double factor, int trained) {
    boolean isDynamic =
        scaling instanceof RopeScaling.DynamicNtk dynamic
            && dynamic.originalMaxPositionEmbeddings() == trained;
    if (!isDynamic && !(scaling instanceof RopeScaling.None)) {
      throw cannotBeExtendedBy("dynamic");
    }
    return withScaling(new RopeScaling.DynamicNtk(factor, trained));
  }

  private ModelFormatException cannotBeExtendedBy(String type) {
    String choice =
        scaling instanceof RopeScaling.DynamicNtk
            ? "dynamic, which raises its factor"
            : scaling instanceof RopeScaling.Linear
                ? "linear, which interpolates further, or none, which keeps its positions"
                : "none, which keeps its positions";
    return new ModelFormatException(
        "RoPE: a model of rope_type %s cannot be extended by %s; choose %s"
            .formatted(scaling.ropeType(), type, choice));
  }

  /**
   * Frequencies of the pairs of rotated components; angles are position times these.
   *
   * @param rotaryDim rotated components of a head, even
   * @param sequenceLength positions in use; matters to {@code dynamic} alone, which changes once
   *     they exceed the trained length
   * @return [rotaryDim/2]
   */
  public float[] inverseFrequencies(int rotaryDim, int sequenceLength) {
    if (rotaryDim < 2 || rotaryDim % 2 != 0) {
      throw new ModelFormatException(
          "RoPE: the rotary dimension is %d; expected an even number".formatted(rotaryDim));
    }
    return scaling.inverseFrequencies(theta, rotaryDim, sequenceLength);
  }

  /** The factor on every cosine and sine; 1 except for YaRN. */
  public float attentionScaling() {
    return scaling.attentionScaling();
  }

  /**
   * The number of rotated components of a head: {@code headDim · partialRotaryFactor}, rounded
   * down.
   *
   * @throws ModelFormatException if it is odd or zero
   */
  public int rotaryDim(int headDim) {
    int rotaryDim = (int) (headDim * partialRotaryFactor);
    if (rotaryDim < 2 || rotaryDim % 2 != 0) {
      throw new ModelFormatException(
          "RoPE: partial_rotary_factor %s of a head of %d is a rotary dimension of %d; expected an"
                  .formatted(partialRotaryFactor, headDim, rotaryDim)
              + " even number from 2");
    }
    return rotaryDim;
  }

  /**
   * Writes this embedding into a configuration, in the form the configuration already has: {@code
   * rope_parameters} of transformers 5, or {@code rope_scaling} with {@code rope_theta} beside it.
   */
  public void writeTo(ObjectNode config) {
    RopeJson.write(this, config);
  }
}
