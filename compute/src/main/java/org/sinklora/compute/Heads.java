package org.sinklora.compute;

/**
 * Where the attention heads of a batch of tokens lie inside a tensor: the value of component {@code
 * d} of head {@code h} of token {@code t} is element {@code offset + t * tokenStride + h *
 * headStride + d}.
 *
 * <p>Separate projections and a fused query-key-value projection are read in place this way.
 *
 * @param data the memory
 * @param offset first element
 * @param tokenStride elements from a token to the next
 * @param headStride elements from a head to the next
 * @param heads number of heads
 * @param headDim components of a head
 */
public record Heads(
    Tensor data, long offset, long tokenStride, long headStride, int heads, int headDim) {

  public Heads {
    if (heads < 1 || headDim < 1 || offset < 0 || tokenStride < 1 || headStride < headDim) {
      throw new IllegalArgumentException(
          "No heads can be read with offset=%d, tokenStride=%d, headStride=%d, heads=%d, headDim=%d"
              .formatted(offset, tokenStride, headStride, heads, headDim));
    }
  }

  /** Heads side by side in a tensor [tokens, heads · headDim]. */
  public static Heads contiguous(Tensor data, int heads, int headDim) {
    return new Heads(data, 0, (long) heads * headDim, headDim, heads, headDim);
  }

  /** First element of head {@code head} of token {@code token}. */
  public long index(long token, int head) {
    return offset + token * tokenStride + head * headStride;
  }
}
