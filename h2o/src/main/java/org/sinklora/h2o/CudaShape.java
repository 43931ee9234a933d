package org.sinklora.h2o;

import org.sinklora.compute.GeluKind;
import org.sinklora.lora.GptNeoXConfig;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.ModelConfig;

/**
 * Sizes, and where queries, keys and values lie in the output of the attention inputs on a GPU.
 *
 * @param hidden width of the residual stream
 * @param heads query heads
 * @param kvHeads key and value heads
 * @param dim components of a head
 * @param pairs pairs of components of a head that are rotated
 * @param qkvSize elements that a token's queries, keys and values take
 * @param queryAt first element of query head 0
 * @param keyAt first element of key head 0
 * @param valueAt first element of value head 0
 * @param headStride elements from a head to the next
 * @param gelu the MLP's activation; null for SwiGLU
 * @param parallelResidual whether the MLP reads the layer's input instead of attention's output
 */
record CudaShape(
    int hidden,
    int heads,
    int kvHeads,
    int dim,
    int pairs,
    int qkvSize,
    int queryAt,
    int keyAt,
    int valueAt,
    int headStride,
    GeluKind gelu,
    boolean parallelResidual) {
  /** Query heads whose sums the registers of a block hold. */
  private static final int MOST_TOGETHER = 8;

  private static final int LARGEST_DIM = 256;

  /** Components of a key that 16 bytes hold at least. */
  private static final int DIM_STEP = 8;

  /**
   * @throws IllegalArgumentException if the kernels cannot read such heads
   */
  static CudaShape of(ModelConfig config) {
    int dim = config.headDim();
    if (dim % DIM_STEP != 0 || dim > LARGEST_DIM) {
      throw new IllegalArgumentException(
          "The model's heads have %d components; on a GPU decoding takes multiples of %d up to %d, load the model on the CPU"
              .formatted(dim, DIM_STEP, LARGEST_DIM));
    }
    int heads = config.numAttentionHeads();
    int kvHeads = config.numKeyValueHeads();
    int pairs = config.rotaryDim() / 2;
    if (config instanceof LlamaConfig) {
      int queries = heads * dim;
      int keys = kvHeads * dim;
      return new CudaShape(
          config.hiddenSize(),
          heads,
          kvHeads,
          dim,
          pairs,
          queries + 2 * keys,
          0,
          queries,
          queries + keys,
          dim,
          null,
          false);
    }
    GptNeoXConfig neoX = (GptNeoXConfig) config;
    return new CudaShape(
        config.hiddenSize(),
        heads,
        kvHeads,
        dim,
        pairs,
        3 * heads * dim,
        0,
        dim,
        2 * dim,
        3 * dim,
        neoX.gelu(),
        neoX.useParallelResidual());
  }

  int attendedSize() {
    return heads * dim;
  }

  /** Query heads that share a kv head. */
  int sharing() {
    return heads / kvHeads;
  }

  /** Of those, how many a block of the attention takes. */
  int together() {
    int together = Math.min(MOST_TOGETHER, sharing());
    while (sharing() % together != 0) {
      together--;
    }
    return together;
  }

  /** What the attention kernels are compiled for. */
  String[] defines() {
    return new String[] {
      "DIM=" + dim, "SHARING=" + sharing(), "TOGETHER=" + together(),
    };
  }
}
