package org.sinklora.lora;

/**
 * How the frequencies of the rotary position embedding are changed for a longer context. The
 * formulas and their order of float32 operations are those of Hugging Face transformers.
 */
public sealed interface RopeScaling
    permits RopeScaling.None,
        RopeScaling.Linear,
        RopeScaling.DynamicNtk,
        RopeScaling.Llama3,
        YarnScaling {

  /** The name in {@code rope_type}. */
  String ropeType();

  /**
   * Frequencies of the pairs of rotated components.
   *
   * @param theta the base
   * @param rotaryDim rotated components of a head, even
   * @param sequenceLength positions in use; only {@link DynamicNtk} depends on it
   * @return [rotaryDim/2]
   */
  float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength);

  /** The factor on every cosine and sine. */
  default float attentionScaling() {
    return 1;
  }

  /** {@code theta^(-2i/rotaryDim)}, the original definition. */
  record None() implements RopeScaling {
    @Override
    public String ropeType() {
      return "default";
    }

    @Override
    public float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength) {
      return unscaled((float) theta, rotaryDim);
    }
  }

  /**
   * Position interpolation: every frequency divided by a factor.
   *
   * @param factor how many times longer the context is
   */
  record Linear(double factor) implements RopeScaling {
    /**
     * @throws ModelFormatException if the factor is below 1
     */
    public Linear {
      checkFactor(factor);
    }

    @Override
    public String ropeType() {
      return "linear";
    }

    @Override
    public float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength) {
      float[] frequencies = unscaled((float) theta, rotaryDim);
      for (int i = 0; i < frequencies.length; i++) {
        frequencies[i] /= (float) factor;
      }
      return frequencies;
    }
  }

  /**
   * NTK-aware scaling that grows with the sequence once it exceeds the trained length.
   *
   * @param factor how many times longer the context may become
   * @param originalMaxPositionEmbeddings the length up to which nothing changes
   */
  record DynamicNtk(double factor, int originalMaxPositionEmbeddings) implements RopeScaling {
    /**
     * @throws ModelFormatException if the factor or the length is below 1
     */
    public DynamicNtk {
      checkFactor(factor);
      checkLength(originalMaxPositionEmbeddings);
    }

    @Override
    public String ropeType() {
      return "dynamic";
    }

    @Override
    public float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength) {
      if (sequenceLength <= originalMaxPositionEmbeddings) {
        return unscaled((float) theta, rotaryDim);
      }
      if (rotaryDim < 4) {
        throw new ModelFormatException(
            "Dynamic RoPE needs a rotary dimension of at least 4, not " + rotaryDim);
      }
      // The length is a tensor there, so that all of this is float32.
      float length = (float) factor * sequenceLength / originalMaxPositionEmbeddings;
      float growth = length - (float) (factor - 1);
      double exponent = rotaryDim / (rotaryDim - 2.0);
      return unscaled((float) theta * (float) Math.pow(growth, (float) exponent), rotaryDim);
    }
  }

  /**
   * Llama 3.1's scaling: low frequencies are divided by a factor, high ones are kept, and those
   * between are interpolated.
   *
   * @param factor divisor of the low frequencies
   * @param lowFreqFactor wavelengths above the original length divided by this are divided
   * @param highFreqFactor wavelengths below the original length divided by this are kept
   * @param originalMaxPositionEmbeddings the length the model was first trained for
   */
  record Llama3(
      double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositionEmbeddings)
      implements RopeScaling {
    /**
     * @throws ModelFormatException if the factor or the length is below 1, or the frequency factors
     *     are not 0 &lt; low &lt; high
     */
    public Llama3 {
      checkFactor(factor);
      checkLength(originalMaxPositionEmbeddings);
      if (!(lowFreqFactor > 0 && highFreqFactor > lowFreqFactor)) {
        throw new ModelFormatException(
            "RoPE: low_freq_factor is %s and high_freq_factor is %s; expected 0 < low < high"
                .formatted(lowFreqFactor, highFreqFactor));
      }
    }

    @Override
    public String ropeType() {
      return "llama3";
    }

    @Override
    public float[] inverseFrequencies(double theta, int rotaryDim, int sequenceLength) {
      float lowWavelength = (float) (originalMaxPositionEmbeddings / lowFreqFactor);
      float highWavelength = (float) (originalMaxPositionEmbeddings / highFreqFactor);
      float[] frequencies = unscaled((float) theta, rotaryDim);
      for (int i = 0; i < frequencies.length; i++) {
        float frequency = frequencies[i];
        float wavelength = (float) (2 * Math.PI) / frequency;
        if (wavelength > lowWavelength) {
          frequencies[i] = frequency / (float) factor;
        } else if (wavelength >= highWavelength) {
          float smooth =
              (originalMaxPositionEmbeddings / wavelength - (float) lowFreqFactor)
                  / (float) (highFreqFactor - lowFreqFactor);
          frequencies[i] = (1 - smooth) * frequency / (float) factor + smooth * frequency;
        }
      }
      return frequencies;
    }
  }

  /** {@code 1 / theta^(2i/rotaryDim)} in float32. */
  private static float[] unscaled(float theta, int rotaryDim) {
    float[] frequencies = new float[rotaryDim / 2];
    for (int i = 0; i < frequencies.length; i++) {
      frequencies[i] = 1 / (float) Math.pow(theta, 2f * i / rotaryDim);
    }
    return frequencies;
  }

  private static void checkFactor(double factor) {
    if (!(factor >= 1) || Double.isInfinite(factor)) {
      throw new ModelFormatException(
          "RoPE: factor is %s; expected a number from 1".formatted(factor));
    }
  }

  private static void checkLength(int length) {
    if (length < 1) {
      throw new ModelFormatException(
          "RoPE: original_max_position_embeddings is %d; expected at least 1".formatted(length));
    }
  }
}
