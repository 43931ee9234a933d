package org.sinklora.h2o;

import org.sinklora.compute.CpuNf4Tensor;
import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.LowRankUpdate;

/** Reads a weight row by row, possibly with a low-rank update merged into it. */
final class WeightRows {
  private final Tensor weight;
  private final LowRankUpdate update;
  private final float[] a;
  private final float[] b;

  /**
   * @param weight [out, in]
   * @param update what to add; null for nothing
   */
  WeightRows(Tensor weight, LowRankUpdate update) {
    this.weight = weight;
    this.update = update;
    this.a = update == null ? null : ((CpuTensor) update.a()).toArray();
    this.b = update == null ? null : ((CpuTensor) update.b()).toArray();
  }

  int out() {
    return Math.toIntExact(weight.dim(0));
  }

  int in() {
    return Math.toIntExact(weight.dim(1));
  }

  void read(int row, float[] destination) {
    int in = in();
    if (weight instanceof CpuNf4Tensor packed) {
      packed.readRow(row, destination);
    } else {
      ((CpuTensor) weight).read((long) row * in, destination, 0, in);
    }
    if (update == null) {
      return;
    }
    int rank = Math.toIntExact(update.a().dim(0));
    for (int k = 0; k < rank; k++) {
      float factor = update.scale() * b[row * rank + k];
      for (int c = 0; c < in; c++) {
        destination[c] += factor * a[k * in + c];
      }
    }
  }
}
