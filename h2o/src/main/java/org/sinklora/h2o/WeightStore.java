package org.sinklora.h2o;

import java.util.IdentityHashMap;
import java.util.Map;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.LowRankUpdate;

/** Weights as decoding reads them, packed once for each tensor: models over one base share them. */
final class WeightStore {
  private final WeightPrecision precision;
  private final Map<Tensor, Matrix> matrices = new IdentityHashMap<>();

  WeightStore(WeightPrecision precision) {
    this.precision = precision;
  }

  Matrix matrix(Tensor weight) {
    return matrices.computeIfAbsent(
        weight, tensor -> Matrix.of(new WeightRows(tensor, null), precision));
  }

  /** A weight with an update merged into it: nobody else's. */
  Matrix merged(Tensor weight, LowRankUpdate update) {
    return Matrix.of(new WeightRows(weight, update), precision);
  }

  /** A bias with room for whole panels; null for null. */
  static float[] bias(Tensor bias) {
    if (bias == null) {
      return null;
    }
    float[] padded = new float[Matrix.padded(Math.toIntExact(bias.size()))];
    ((CpuTensor) bias).read(0, padded, 0, Math.toIntExact(bias.size()));
    return padded;
  }

  static float[] vector(Tensor tensor) {
    return tensor == null ? null : ((CpuTensor) tensor).toArray();
  }

  /** Bytes of all shared weights. */
  long bytes() {
    return matrices.values().stream().mapToLong(Matrix::bytes).sum();
  }
}
