package org.sinklora.lora;

import org.sinklora.sfattn.AttentionPattern;

/** Rotation and attention over one document, straight from the definition of the pattern. */
record PlainAttention(ModelConfig config, AttentionPattern pattern) {

  /** q [T, heads · dim], k and v [T, kvHeads · dim] → [T, heads · dim]; q and k are rotated. */
  double[][] of(double[][] q, double[][] k, double[][] v) {
    rotate(q);
    rotate(k);
    double[][] out = new double[q.length][q[0].length];
    for (int head = 0; head < config.numAttentionHeads(); head++) {
      for (int t = 0; t < q.length; t++) {
        attend(q[t], k, v, t, head, out[t]);
      }
    }
    return out;
  }

  private void attend(double[] q, double[][] k, double[][] v, int t, int head, double[] out) {
    int dim = config.headDim();
    int at = head / (config.numAttentionHeads() / config.numKeyValueHeads()) * dim;
    double[] p = new double[k.length];
    double sum = 0;
    for (int j = 0; j < k.length; j++) {
      if (pattern.allowed(t, j, head, config.numAttentionHeads(), k.length)) {
        double dot = 0;
        for (int i = 0; i < dim; i++) {
          dot += q[head * dim + i] * k[j][at + i];
        }
        p[j] = Math.exp(dot / Math.sqrt(dim));
        sum += p[j];
      }
    }
    for (int j = 0; j < k.length; j++) {
      for (int i = 0; i < dim; i++) {
        out[head * dim + i] += p[j] / sum * v[j][at + i];
      }
    }
  }

  private void rotate(double[][] x) {
    float[] frequencies = config.rope().inverseFrequencies(config.rotaryDim(), x.length);
    double scaling = config.rope().attentionScaling();
    int half = frequencies.length;
    for (int t = 0; t < x.length; t++) {
      for (int head = 0; head < x[t].length; head += config.headDim()) {
        for (int i = 0; i < half; i++) {
          // The angle is rounded as in the reference implementations.
          float angle = t * frequencies[i];
          double cos = Math.cos(angle) * scaling;
          double sin = Math.sin(angle) * scaling;
          double a = x[t][head + i];
          double b = x[t][head + half + i];
          x[t][head + i] = a * cos - b * sin;
          x[t][head + half + i] = b * cos + a * sin;
        }
      }
    }
  }
}
