package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** A transformer layer. */
sealed interface Block permits LlamaBlock, GptNeoXBlock {

  /**
   * x [n, hidden] → y [n, hidden].
   *
   * @param saved where the activations that the backward needs are kept
   * @param y null if only the activations are wanted: recomputation
   */
  void forward(Pass pass, Workspace saved, Tensor x, Tensor y);

  /** The norm that x passes first. */
  Norm inputNorm();

  /**
   * Turns the gradient of y into that of x, in place, and accumulates those of trained weights.
   *
   * @param saved activations of the forward; they are spent
   * @param x the input of the forward
   * @param gradient of y on entry, of x on return
   * @param needInputGradient false leaves {@code gradient} undefined and the input norm without
   *     one, for the lowest block where nothing below its projections is trained
   */
  void backward(Pass pass, Workspace saved, Tensor x, Tensor gradient, boolean needInputGradient);
}
