package org.sinklora.lora;

/**
 * What of a layer's forward stays in memory for its backward; the rest is computed again.
 *
 * <p>Every element that a linear of width h made costs 2 h floating-point operations to make again,
 * and every element of the attention's output four a key: at the usual lengths the attention is the
 * dearest, byte for byte, and runs further from the peak of the processor. That is why it comes
 * first.
 */
public enum KeptActivations {
  /** The layer's input alone. */
  INPUT,
  /** The input, and what the attention made. */
  ATTENTION,
  /** All but normalised inputs and the MLP's activation, which take no product to make again. */
  ALL
}
