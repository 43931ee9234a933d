package org.sinklora.compute;

/**
 * Cosines and sines of the rotary position embedding for positions 0 … length − 1.
 *
 * <p>The angle of position p and pair i is {@code p · inverseFrequencies[i]}; it is computed in
 * float32, as the reference implementations do, since at long contexts the rounding shows.
 */
public final class RopeTable {
  private final int pairs;
  private final int length;
  private final float[] cos;
  private final float[] sin;

  /**
   * @param inverseFrequencies one a pair of components
   * @param attentionScaling factor on every cosine and sine (YaRN); 1 otherwise
   * @param length number of positions
   */
  public RopeTable(float[] inverseFrequencies, float attentionScaling, int length) {
    this.pairs = inverseFrequencies.length;
    this.length = length;
    this.cos = new float[Math.multiplyExact(pairs, length)];
    this.sin = new float[pairs * length];
    for (int position = 0; position < length; position++) {
      for (int i = 0; i < pairs; i++) {
        float angle = position * inverseFrequencies[i];
        cos[position * pairs + i] = (float) Math.cos(angle) * attentionScaling;
        sin[position * pairs + i] = (float) Math.sin(angle) * attentionScaling;
      }
    }
  }

  /** Components of a head that are rotated. */
  public int rotaryDim() {
    return 2 * pairs;
  }

  /** Number of positions. */
  public int length() {
    return length;
  }

  /** Cosines [length, rotaryDim/2]; the caller must not change the array. */
  public float[] cos() {
    return cos;
  }

  /** Sines [length, rotaryDim/2]; the caller must not change the array. */
  public float[] sin() {
    return sin;
  }
}
