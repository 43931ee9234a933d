package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** A normalisation of every token's vector. */
sealed interface Norm permits RmsNorm, LayerNorm {

  /**
   * x [n, c] → y [n, c].
   *
   * @param saved where the statistics that the backward needs are kept
   */
  void forward(Pass pass, Workspace saved, Tensor x, Tensor y);

  /**
   * Accumulates into dX and into the gradients of trained weights.
   *
   * @param x the input of the forward
   */
  void backward(Pass pass, Workspace saved, Tensor dY, Tensor x, Tensor dX);

  /** Whether any of its weights is trained. */
  boolean trained();
}
