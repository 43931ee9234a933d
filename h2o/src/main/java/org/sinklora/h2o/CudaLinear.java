package org.sinklora.h2o;

import org.sinklora.compute.cuda.CudaTensor;

/**
 * {@code y = W x + b} on a GPU, plus an adapter's unmerged update.
 *
 * @param weight shared by the models over one base
 * @param bias [out] float32; null without
 * @param lowRank null without
 */
record CudaLinear(CudaMatrix weight, CudaTensor bias, CudaLowRank lowRank) {

  /** Whether something is added to the product. */
  boolean hasExtra() {
    return bias != null || lowRank != null;
  }

  int rank() {
    return lowRank == null ? 0 : lowRank.rank();
  }
}
