package org.sinklora.sfattn;

import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/**
 * Attention on a GPU: on Hopper's tensor cores where these kernels take the input, else plainly.
 */
final class CudaAttention implements Attention {
  private final CudaDevice device;
  private final PlainCudaAttention plain;
  private final HopperAttention hopper;

  CudaAttention(CudaDevice device) {
    this(device, device.info().computeCapability() == 90);
  }

  /**
   * @param tensorCores whether the Hopper kernels may be used
   */
  CudaAttention(CudaDevice device, boolean tensorCores) {
    this.device = device;
    this.plain = new PlainCudaAttention(device);
    this.hopper = tensorCores ? new HopperAttention(device) : null;
  }

  @Override
  public void forward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      Tensor logSumExp) {
    AttentionShapes.requireForward(documents, q, k, v, out, logSumExp);
    requireOneType(q, k, v, out);
    if (hopper != null && HopperAttention.takes(pattern, q, k, v, out)) {
      hopper.forward(pattern, documents, q, k, v, out, (CudaTensor) logSumExp);
    } else {
      plain.forward(pattern, documents, q, k, v, out, (CudaTensor) logSumExp);
    }
  }

  @Override
  public void backward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      Tensor logSumExp,
      Heads dOut,
      Heads dQ,
      Heads dK,
      Heads dV) {
    AttentionShapes.requireForward(documents, q, k, v, out, logSumExp);
    AttentionShapes.requireBackward(documents, q, k, dOut, dQ, dK, dV);
    requireOneType(q, k, v, out, dOut, dQ, dK, dV);
    if (hopper != null && HopperAttention.takes(pattern, q, k, v, out, dOut, dQ, dK, dV)) {
      hopper.backward(pattern, documents, q, k, v, out, (CudaTensor) logSumExp, dOut, dQ, dK, dV);
    } else {
      plain.backward(pattern, documents, q, k, v, out, (CudaTensor) logSumExp, dOut, dQ, dK, dV);
    }
  }

  private void requireOneType(Heads... all) {
    ElementType type = ((CudaTensor) all[0].data()).type();
    for (Heads heads : all) {
      ElementType other = ((CudaTensor) heads.data()).type();
      if (other != type || (type != ElementType.FLOAT32 && type != ElementType.BFLOAT16)) {
        throw new IllegalArgumentException(
            "Attention on %s takes heads that are all float32 or all bfloat16, not %s and %s"
                .formatted(device.name(), type, other));
      }
    }
  }

  @Override
  public void close() {
    plain.close();
    if (hopper != null) {
      hopper.close();
    }
  }
}
