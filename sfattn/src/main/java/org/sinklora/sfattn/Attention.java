package org.sinklora.sfattn;

import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaDevice;

/**
 * Scaled dot-product attention under a pattern that the caller chooses call by call, hence layer by
 * layer and step by step.
 *
 * <pre>out(i, h) = Σ_j softmax_j( q(i, h) · k(j, h') / √headDim  over allowed j ) · v(j, h')</pre>
 *
 * where the query heads share the key-value heads evenly: {@code h' = h / (H / Hkv)}.
 *
 * <p>Scores are never stored (FlashAttention, arXiv 2205.14135): memory is linear in the number of
 * tokens. All reductions run in a fixed order, so the same input gives the same bits on any number
 * of threads. Work buffers are kept between calls; an instance is used by one thread at a time.
 */
public interface Attention extends AutoCloseable {

  /** Attention on a device, which stays the caller's to close. */
  static Attention on(Device device) {
    if (device instanceof CpuDevice cpu) {
      return new CpuAttention(cpu);
    }
    if (device instanceof CudaDevice cuda) {
      return new CudaAttention(cuda);
    }
    throw new IllegalArgumentException("There are no attention kernels for " + device.name());
  }

  /**
   * Computes {@code out} and {@code logSumExp}. Neither may overlap an input.
   *
   * @param pattern which pairs attend
   * @param documents how the tokens divide into documents
   * @param q queries after rotation, H heads of headDim
   * @param k keys after rotation, Hkv heads; H is a multiple of Hkv
   * @param v values, Hkv heads
   * @param out H heads, overwritten
   * @param logSumExp [tokens, H], overwritten: the natural logarithm of each softmax's denominator,
   *     which the backward needs
   * @throws IllegalArgumentException if heads, dimensions or memory do not fit each other, or the
   *     pattern cannot take a document's length
   */
  void forward(
      AttentionPattern pattern,
      Documents documents,
      Heads q,
      Heads k,
      Heads v,
      Heads out,
      Tensor logSumExp);

  /**
   * The gradients of {@link #forward} with respect to q, k and v. They may not overlap an input.
   *
   * @param out what the forward computed
   * @param logSumExp what the forward computed
   * @param dOut gradient of the loss with respect to {@code out}
   * @param dQ overwritten
   * @param dK overwritten
   * @param dV overwritten
   * @throws IllegalArgumentException as in {@link #forward}
   */
  void backward(
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
      Heads dV);

  /** Lets go of the work buffers. */
  @Override
  void close();
}
