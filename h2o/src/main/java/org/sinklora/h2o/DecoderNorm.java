package org.sinklora.h2o;

import org.sinklora.compute.RowKernels;

/**
 * A normalisation of a token's vector: layer norm, or RMS norm where there is no bias.
 *
 * @param weight [hidden]
 * @param bias [hidden]; null for RMS norm
 * @param epsilon added to the mean square
 */
record DecoderNorm(float[] weight, float[] bias, double epsilon) {

  void apply(RowKernels kernels, float[] x, int xAt, float[] y, int yAt) {
    int n = weight.length;
    float mean = bias == null ? 0 : kernels.sum(x, xAt, n) / n;
    for (int i = 0; i < n; i++) {
      y[yAt + i] = x[xAt + i] - mean;
    }
    float inverse = (float) (1 / Math.sqrt((double) kernels.dot(y, yAt, y, yAt, n) / n + epsilon));
    for (int i = 0; i < n; i++) {
      y[yAt + i] = y[yAt + i] * inverse * weight[i];
    }
    if (bias != null) {
      for (int i = 0; i < n; i++) {
        y[yAt + i] += bias[i];
      }
    }
  }
}
