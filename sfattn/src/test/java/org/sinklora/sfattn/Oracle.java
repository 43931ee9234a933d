package org.sinklora.sfattn;

/**
 * Attention and its gradients by the definition: loops over {@link AttentionPattern#allowed} in
 * double precision.
 */
final class Oracle {
  private final Batch batch;
  private final AttentionPattern pattern;
  final double[] out;
  final double[] logSumExp;
  final double[] dQ;
  final double[] dK;
  final double[] dV;

  Oracle(Batch batch, AttentionPattern pattern) {
    this.batch = batch;
    this.pattern = pattern;
    int tokens = batch.documents().tokens();
    this.out = new double[batch.q().length];
    this.logSumExp = new double[tokens * batch.heads()];
    this.dQ = new double[batch.q().length];
    this.dK = new double[batch.k().length];
    this.dV = new double[batch.v().length];
    for (int document = 0; document < batch.documents().count(); document++) {
      for (int head = 0; head < batch.heads(); head++) {
        for (int i = 0; i < batch.documents().length(document); i++) {
          query(document, head, i);
        }
      }
    }
  }

  private void query(int document, int head, int i) {
    int dim = batch.headDim();
    int start = batch.documents().start(document);
    int length = batch.documents().length(document);
    int query = ((start + i) * batch.heads() + head) * dim;
    double scale = 1 / Math.sqrt(dim);
    double[] scores = new double[length];
    double max = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < length; j++) {
      scores[j] = Double.NEGATIVE_INFINITY;
      if (pattern.allowed(i, j, head, batch.heads(), length)) {
        scores[j] = scale * dot(batch.q(), query, batch.k(), key(start + j, head));
        max = Math.max(max, scores[j]);
      }
    }
    double sum = 0;
    for (int j = 0; j < length; j++) {
      sum += Math.exp(scores[j] - max);
    }
    logSumExp[(start + i) * batch.heads() + head] = max + Math.log(sum);
    double[] probabilities = new double[length];
    double[] dProbabilities = new double[length];
    double delta = 0;
    for (int j = 0; j < length; j++) {
      if (scores[j] == Double.NEGATIVE_INFINITY) {
        continue;
      }
      int key = key(start + j, head);
      probabilities[j] = Math.exp(scores[j] - max) / sum;
      dProbabilities[j] = dot(batch.dOut(), query, batch.v(), key);
      delta += probabilities[j] * dProbabilities[j];
      for (int c = 0; c < dim; c++) {
        out[query + c] += probabilities[j] * batch.v()[key + c];
        dV[key + c] += probabilities[j] * batch.dOut()[query + c];
      }
    }
    for (int j = 0; j < length; j++) {
      double dScore = scale * probabilities[j] * (dProbabilities[j] - delta);
      if (dScore != 0) {
        int key = key(start + j, head);
        for (int c = 0; c < dim; c++) {
          dQ[query + c] += dScore * batch.k()[key + c];
          dK[key + c] += dScore * batch.q()[query + c];
        }
      }
    }
  }

  private int key(int token, int head) {
    int shared = head / (batch.heads() / batch.keyValueHeads());
    return (token * batch.keyValueHeads() + shared) * batch.headDim();
  }

  private double dot(float[] x, int xAt, float[] y, int yAt) {
    double sum = 0;
    for (int c = 0; c < batch.headDim(); c++) {
      sum += (double) x[xAt + c] * y[yAt + c];
    }
    return sum;
  }
}
