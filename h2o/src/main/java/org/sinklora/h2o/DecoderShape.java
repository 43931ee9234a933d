package org.sinklora.h2o;

import org.sinklora.compute.GeluKind;
import org.sinklora.lora.GptNeoXConfig;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.ModelConfig;

/**
 * Sizes, and where queries, keys and values lie in the output of the attention inputs.
 *
 * @param config the model's
 * @param qkvSize elements a token's queries, keys and values take
 * @param queryAt first element of query head 0
 * @param keyAt first element of key head 0
 * @param valueAt first element of value head 0
 * @param headStride elements from a head to the next
 * @param gelu the MLP's activation; null for SwiGLU
 * @param parallelResidual whether the MLP reads the layer's input instead of attention's output
 */
record DecoderShape(
    ModelConfig config,
    int qkvSize,
    int queryAt,
    int keyAt,
    int valueAt,
    int headStride,
    GeluKind gelu,
    boolean parallelResidual) {

  static DecoderShape of(ModelConfig config) {
    int dim = config.headDim();
    if (config instanceof LlamaConfig llama) {
      int queries = Matrix.padded(llama.numAttentionHeads() * dim);
      int keys = Matrix.padded(llama.numKeyValueHeads() * dim);
      return new DecoderShape(
          llama, queries + 2 * keys, 0, queries, queries + keys, dim, null, false);
    }
    GptNeoXConfig neoX = (GptNeoXConfig) config;
    return new DecoderShape(
        neoX,
        Matrix.padded(3 * neoX.hiddenSize()),
        0,
        dim,
        2 * dim,
        3 * dim,
        neoX.gelu(),
        neoX.useParallelResidual());
  }

  int hidden() {
    return config.hiddenSize();
  }

  /** Room for a vector of the residual stream. */
  int paddedHidden() {
    return Matrix.padded(config.hiddenSize());
  }

  int attendedSize() {
    return config.numAttentionHeads() * config.headDim();
  }

  int paddedIntermediate() {
    return Matrix.padded(config.intermediateSize());
  }

  int paddedVocabulary() {
    return Matrix.padded(config.vocabSize());
  }

  /** Query heads that share a kv head. */
  int group() {
    return config.numAttentionHeads() / config.numKeyValueHeads();
  }
}
