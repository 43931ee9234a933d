package org.sinklora.lora;

/**
 * YaRN (arXiv 2309.00071): high frequencies are kept, low ones divided by a factor, with a ramp
 * between, and the attention is sharpened by a factor on cosines and sines.
 *
 * @param factor how many times longer the context is
 * @param originalMaxPositionEmbeddings the length the model was first trained for
 * @param betaFast rotations over that length from which a frequency is kept; 32 in the paper
 * @param betaSlow rotations below which it is divided; 1 in the paper
 * @param truncate whether the ends of the ramp are rounded to whole pairs
 * @param attentionFactor the factor on cosines and sines
 */
public record YarnScaling(
    double factor,
    int originalMaxPositionEmbeddings,
    double betaFast,
    double betaSlow,
    boolean truncate,
    double attentionFactor)
    implements RopeScaling {

  /**
   * @throws ModelFormatException if a value is out of its range
   */
  public YarnScaling {
    if (!(factor >= 1) || Double.isInfinite(factor)) {
      throw new ModelFormatException(
          "RoPE: factor is %s; expected a number from 1".formatted(factor));
    }
    if (originalMaxPositionEmbeddings < 1) {
      throw new ModelFormatException(
          "RoPE: original_max_position_embeddings is %d; expected at least 1"
              .formatted(originalMaxPositionEmbeddings));
    }
    if (!(betaSlow > 0 && betaFast >= betaSlow)) {
      throw new ModelFormatException(
          "RoPE: beta_fast is %s and beta_slow is %s; expected fast >= slow > 0"
              .formatted(betaFast, betaSlow));
    }
    if (!(attentionFactor > 0) || Double.isInfinite(attentionFactor)) {
      throw new ModelFormatException(
          "RoPE: attention_factor is %s; expected a number above 0".formatted(attentionFactor));
    }
  }

  /** YaRN with the paper's constants. */
  public static YarnScaling of(double factor, int originalMaxPositionEmbeddings) {
    return new YarnScaling(
        factor, originalMaxPositionEmbeddings, 32, 1, true, attentionFactor(factor, 1));
  }

  /** {@code 0.1 · mscale · ln(factor) + 1}, the paper's attention factor for {@code mscale} 1. */
  static double attentionFactor(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1;
  }

  @Override
  public String ropeType() {
    return "yarn";
  }

  @Override
  public float attentionScaling() {
    return (float) attentionFactor;
  }

  @Override
  public float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength) {
    double low = pairWithRotations(betaFast, theta, rotaryDim);
    double high = pairWithRotations(betaSlow, theta, rotaryDim);
    if (truncate) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, rotaryDim - 1);
    if (low == high) {
      high += 0.001; // a ramp needs a width
    }
    float[] frequencies = new float[rotaryDim / 2];
    for (int i = 0; i < frequencies.length; i++) {
      float wavelength = (float) Math.pow((float) theta, 2f * i / rotaryDim);
      float ramp = (i - (float) low) / (float) (high - low);
      float kept = 1 - Math.min(Math.max(ramp, 0), 1);
      frequencies[i] = 1 / ((float) factor * wavelength) * (1 - kept) + 1 / wavelength * kept;
    }
    return frequencies;
  }

  /** The (fractional) pair that turns this many times over the original length. */
  private double pairWithRotations(double rotations, double theta, int rotaryDim) {
    return rotaryDim
        * Math.log(originalMaxPositionEmbeddings / (rotations * 2 * Math.PI))
        / (2 * Math.log(theta));
  }
}
