package org.sinklora.h2o;

import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.RopeConfig;
import org.sinklora.lora.RopeScaling;

/**
 * Cosines and sines of the rotary embedding, position by position: no table has to grow with what
 * is generated.
 */
final class RopeAngles {
  private final RopeConfig rope;
  private final int rotaryDim;
  private final boolean dynamic;
  private final float[] fixed;

  RopeAngles(ModelConfig config) {
    rope = config.rope();
    rotaryDim = config.rotaryDim();
    dynamic = rope.scaling() instanceof RopeScaling.DynamicNtk;
    fixed = rope.inverseFrequencies(rotaryDim, 1);
  }

  /** Pairs of components that are rotated. */
  int pairs() {
    return rotaryDim / 2;
  }

  /** The factor on every cosine and sine. */
  float scaling() {
    return rope.attentionScaling();
  }

  /** Frequencies for sequences of a length; it matters to dynamic scaling alone. */
  float[] frequencies(int sequenceLength) {
    return dynamic ? rope.inverseFrequencies(rotaryDim, sequenceLength) : fixed;
  }

  /** Writes the {@link #pairs} cosines and sines of a position. */
  void fill(float[] frequencies, int position, float[] cos, float[] sin, int at) {
    float scaling = scaling();
    for (int i = 0; i < frequencies.length; i++) {
      float angle = position * frequencies[i];
      cos[at + i] = (float) Math.cos(angle) * scaling;
      sin[at + i] = (float) Math.sin(angle) * scaling;
    }
  }
}
