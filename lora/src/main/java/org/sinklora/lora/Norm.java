package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** A normalisation of every token's vector. */
sealed interface Norm permits RmsNorm, LayerNorm {

  /** x [n, c] → y [n, c]. */
  void forward(Pass pass, Tensor x, Tensor y);

  /**
   * Accumulates into dX and into the gradients of trained weights. No other norm may run between
   * the forward and this.
   *
   * @param x the input of the forward
   */
  void backward(Pass pass, Tensor dY, Tensor x, Tensor dX);

  /** Whether any of its weights is trained. */
  boolean trained();
}
