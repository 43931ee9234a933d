package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** A transformer layer. */
sealed interface Block permits LlamaBlock, GptNeoXBlock {

  /**
   * x [n, hidden] → y [n, hidden].
   *
   * @param memory where the activations go
   */
  void forward(Pass pass, LayerMemory memory, Tensor x, Tensor y);

  /** The norm that x passes first. */
  Norm inputNorm();

  /**
   * Turns the gradient of y into that of x, in place, and accumulates those of trained weights.
   * What the forward did not keep is computed again.
   *
   * @param memory activations of the forward; they are spent
   * @param x the input of the forward
   * @param gradient of y on entry, of x on return
   * @param needInputGradient false leaves {@code gradient} undefined and the input norm without
   *     one, for the lowest block where nothing below its projections is trained
   */
  void backward(
      Pass pass, LayerMemory memory, Tensor x, Tensor gradient, boolean needInputGradient);
}
