package org.sinklora.h2o;

/**
 * What the reading of a prompt needs besides the pass: the residual stream of all its tokens, the
 * keys and values of one layer, and the scores. Kept for the next prompt; linear in its length.
 */
final class PromptBuffers {
  private final DecoderShape shape;
  private final int pairs;
  private float[] hidden = {};
  private float[] cos = {};
  private float[] sin = {};
  private final float[][] keys;
  private final float[][] values;
  private final double[][] scores;

  PromptBuffers(DecoderShape shape, int pairs) {
    this.shape = shape;
    this.pairs = pairs;
    int kvHeads = shape.config().numKeyValueHeads();
    keys = new float[kvHeads][0];
    values = new float[kvHeads][0];
    scores = new double[kvHeads][0];
  }

  /**
   * Makes room for a prompt.
   *
   * @throws IllegalArgumentException if it is so long that an array would end
   */
  void reserve(int tokens) {
    int dim = shape.config().headDim();
    long longest = (long) tokens * Math.max(shape.paddedHidden(), dim);
    if (longest > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "A prompt of %d tokens is too long for a model of width %d: at most %d tokens fit"
              .formatted(
                  tokens,
                  shape.hidden(),
                  (Integer.MAX_VALUE - 8) / Math.max(shape.paddedHidden(), dim)));
    }
    if (hidden.length < tokens * shape.paddedHidden()) {
      hidden = new float[tokens * shape.paddedHidden()];
      cos = new float[tokens * pairs];
      sin = new float[tokens * pairs];
      for (int head = 0; head < keys.length; head++) {
        keys[head] = new float[tokens * dim];
        values[head] = new float[tokens * dim];
        scores[head] = new double[tokens];
      }
    }
  }

  /** [tokens, paddedHidden]. */
  float[] hidden() {
    return hidden;
  }

  /** [tokens, pairs]. */
  float[] cos() {
    return cos;
  }

  /** [tokens, pairs]. */
  float[] sin() {
    return sin;
  }

  /** Rotated keys of a kv head in the current layer, [tokens, headDim]. */
  float[] keys(int head) {
    return keys[head];
  }

  /** Values of a kv head in the current layer, [tokens, headDim]. */
  float[] values(int head) {
    return values[head];
  }

  /** Scores of the positions for a kv head in the current layer. */
  double[] scores(int head) {
    return scores[head];
  }

  long bytes() {
    long bytes = (long) Float.BYTES * (hidden.length + cos.length + sin.length);
    for (int head = 0; head < keys.length; head++) {
      bytes += (long) Float.BYTES * (keys[head].length + values[head].length);
      bytes += (long) Double.BYTES * scores[head].length;
    }
    return bytes;
  }
}
