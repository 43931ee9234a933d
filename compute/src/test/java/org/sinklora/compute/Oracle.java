package org.sinklora.compute;

/**
 * The operations of a {@link Device} as plain loops in double precision. Matrices are row-major; a
 * method returns what the operation writes, and adds where the operation accumulates.
 */
final class Oracle {
  private Oracle() {}

  static double[] doubles(float[] x) {
    double[] y = new double[x.length];
    for (int i = 0; i < x.length; i++) {
      y[i] = x[i];
    }
    return y;
  }

  /** Row {@code i} of {@code op(a) · op(b)}. */
  static double[] productRow(
      int i, float[] a, boolean transposeA, float[] b, boolean transposeB, int m, int n, int k) {
    double[] row = new double[n];
    for (int l = 0; l < k; l++) {
      double x = a[transposeA ? l * m + i : i * k + l];
      for (int j = 0; j < n; j++) {
        row[j] += x * b[transposeB ? j * k + l : l * n + j];
      }
    }
    return row;
  }

  /** Mean and inverse deviation of a row; without a mean its inverse root mean square. */
  static double[] statistics(float[] x, int row, int c, double epsilon, boolean centred) {
    double mean = 0;
    if (centred) {
      for (int j = 0; j < c; j++) {
        mean += x[row * c + j] / (double) c;
      }
    }
    double square = 0;
    for (int j = 0; j < c; j++) {
      square += (x[row * c + j] - mean) * (x[row * c + j] - mean);
    }
    return new double[] {mean, 1 / Math.sqrt(square / c + epsilon)};
  }

  /** RMSNorm, or LayerNorm if there is a bias. */
  static double[] norm(float[] x, float[] weight, float[] bias, double epsilon) {
    int c = weight.length;
    double[] y = new double[x.length];
    for (int i = 0; i < x.length / c; i++) {
      double[] s = statistics(x, i, c, epsilon, bias != null);
      for (int j = 0; j < c; j++) {
        y[i * c + j] = (x[i * c + j] - s[0]) * s[1] * weight[j] + (bias == null ? 0 : bias[j]);
      }
    }
    return y;
  }

  /** Gradients of {@link #norm}: of x, of the weight and, where centred, of the bias. */
  static double[][] normBackward(
      float[] dY, float[] x, float[] weight, double epsilon, boolean centred) {
    int c = weight.length;
    double[] dX = new double[x.length];
    double[] dWeight = new double[c];
    double[] dBias = new double[c];
    for (int i = 0; i < x.length / c; i++) {
      double[] s = statistics(x, i, c, epsilon, centred);
      double along = 0;
      double sum = 0;
      for (int j = 0; j < c; j++) {
        double n = (x[i * c + j] - s[0]) * s[1];
        double d = dY[i * c + j];
        dWeight[j] += d * n;
        dBias[j] += d;
        along += d * weight[j] * n / c;
        sum += centred ? d * weight[j] / c : 0;
      }
      for (int j = 0; j < c; j++) {
        double n = (x[i * c + j] - s[0]) * s[1];
        dX[i * c + j] = s[1] * (dY[i * c + j] * weight[j] - sum - n * along);
      }
    }
    return new double[][] {dX, dWeight, dBias};
  }

  private static double sigmoid(double x) {
    return 1 / (1 + Math.exp(-x));
  }

  static double[] swiGlu(float[] gate, float[] up) {
    double[] y = new double[gate.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = gate[i] * sigmoid(gate[i]) * up[i];
    }
    return y;
  }

  /** Gradients of gate and up. */
  static double[][] swiGluBackward(float[] dY, float[] gate, float[] up) {
    double[][] gradients = new double[2][dY.length];
    for (int i = 0; i < dY.length; i++) {
      double s = sigmoid(gate[i]);
      gradients[0][i] = (double) dY[i] * up[i] * s * (1 + gate[i] * (1 - s));
      gradients[1][i] = dY[i] * gate[i] * s;
    }
    return gradients;
  }

  static double gelu(double x, GeluKind kind) {
    return kind == GeluKind.TANH
        ? 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)))
        : 0.5 * x * (1 + erf(x / Math.sqrt(2)));
  }

  /** The integral of the bell curve by Simpson's rule: slow, and good to 1e-12. */
  static double erf(double x) {
    double end = Math.min(6, Math.abs(x));
    int steps = 2000;
    double h = end / steps;
    double sum = 1 + Math.exp(-end * end);
    for (int i = 1; i < steps; i++) {
      sum += (i % 2 == 0 ? 2 : 4) * Math.exp(-(i * h) * (i * h));
    }
    return Math.signum(x) * sum * h / 3 * 2 / Math.sqrt(Math.PI);
  }

  static double geluSlope(double x, GeluKind kind) {
    double h = 1e-5;
    return (gelu(x + h, kind) - gelu(x - h, kind)) / (2 * h);
  }

  /** Loss of a row, or the gradient of its logits for a gradient of 1. */
  static double[] crossEntropy(float[] logits, int row, int vocabulary, int target, boolean loss) {
    double max = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < vocabulary; j++) {
      max = Math.max(max, logits[row * vocabulary + j]);
    }
    double sum = 0;
    for (int j = 0; j < vocabulary; j++) {
      sum += Math.exp(logits[row * vocabulary + j] - max);
    }
    if (loss) {
      double value = Math.log(sum) + max - logits[row * vocabulary + Math.max(0, target)];
      return new double[] {target < 0 ? 0 : value};
    }
    double[] gradient = new double[vocabulary];
    for (int j = 0; j < vocabulary && target >= 0; j++) {
      double p = Math.exp(logits[row * vocabulary + j] - max) / sum;
      gradient[j] = p - (j == target ? 1 : 0);
    }
    return gradient;
  }
}
