package org.sinklora.lora;

/**
 * Elements of a layer's activations, for every token.
 *
 * @param projected queries, keys and values
 * @param attended output of the attention
 * @param statistics of the attention, in float32
 * @param middle the residual stream between attention and MLP, where the backward needs it
 * @param raised the MLP before its activation
 * @param temporaries of a layer's forward and backward over all tokens
 * @param tileTemporaries of the MLP over a tile, less {@code raised}
 */
record ActivationSizes(
    long projected,
    long attended,
    long statistics,
    long middle,
    long raised,
    long temporaries,
    long tileTemporaries) {

  /** Bytes that a layer keeps of {@code tokens} tokens, besides its input. */
  long kept(KeptActivations level, long tokens, int elementBytes) {
    long attention = attended * elementBytes + statistics * Float.BYTES;
    long all = attention + (projected + middle + raised) * elementBytes;
    return tokens
        * switch (level) {
          case INPUT -> 0;
          case ATTENTION -> attention;
          case ALL -> all;
        };
  }
}
