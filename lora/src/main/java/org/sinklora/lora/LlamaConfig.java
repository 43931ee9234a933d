package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalInt;

/**
 * A Llama model: RMSNorm, rotary embedding over whole heads, grouped queries, SwiGLU.
 *
 * @param vocabSize rows of the embedding
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the MLP
 * @param numHiddenLayers number of blocks
 * @param numAttentionHeads number of query heads
 * @param numKeyValueHeads number of key and value heads
 * @param headDim components of a head; need not be {@code hiddenSize / numAttentionHeads}
 * @param maxPositionEmbeddings context length
 * @param rmsNormEps added to the mean square
 * @param attentionBias whether the four attention projections have a bias
 * @param mlpBias whether the three MLP projections have a bias
 * @param tieWordEmbeddings whether the output head is the embedding
 * @param attentionDropout dropout on attention probabilities while training
 * @param rope the rotary position embedding
 * @param bosTokenId token a text starts with
 * @param eosTokenIds tokens that end a text
 * @param json the whole configuration
 */
public record LlamaConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int numKeyValueHeads,
    int headDim,
    int maxPositionEmbeddings,
    double rmsNormEps,
    boolean attentionBias,
    boolean mlpBias,
    boolean tieWordEmbeddings,
    double attentionDropout,
    RopeConfig rope,
    OptionalInt bosTokenId,
    List<Integer> eosTokenIds,
    ObjectNode json)
    implements ModelConfig {

  @Override
  public ObjectNode json() {
    return json.deepCopy();
  }

  static LlamaConfig parse(JsonFields fields) {
    int hiddenSize = fields.positiveInt("hidden_size", 4096);
    int heads = fields.positiveInt("num_attention_heads", 32);
    int keyValueHeads = fields.positiveInt("num_key_value_heads", heads);
    if (heads % keyValueHeads != 0) {
      throw fields.bad(
          "num_key_value_heads", "a divisor of num_attention_heads, which is " + heads);
    }
    if (!fields.has("head_dim") && hiddenSize % heads != 0) {
      throw fields.bad("num_attention_heads", "a divisor of hidden_size, which is " + hiddenSize);
    }
    String activation = fields.text("hidden_act", "silu");
    if (!activation.equals("silu") && !activation.equals("swish")) {
      throw fields.unsupported("hidden_act", "Llama is supported with silu");
    }
    int maxPositions = fields.positiveInt("max_position_embeddings", 2048);
    RopeConfig rope = RopeJson.read(fields, maxPositions, "rope_theta", "partial_rotary_factor", 1);
    if (rope.partialRotaryFactor() != 1) {
      throw new ModelFormatException(
          "%s: partial_rotary_factor is %s; Llama rotates whole heads, expected 1"
              .formatted(fields.source(), rope.partialRotaryFactor()));
    }
    return new LlamaConfig(
        fields.positiveInt("vocab_size", 32_000),
        hiddenSize,
        fields.positiveInt("intermediate_size", 11_008),
        fields.positiveInt("num_hidden_layers", 32),
        heads,
        keyValueHeads,
        fields.positiveInt("head_dim", hiddenSize / heads),
        maxPositions,
        fields.positive("rms_norm_eps", 1e-6),
        fields.flag("attention_bias", false),
        fields.flag("mlp_bias", false),
        fields.flag("tie_word_embeddings", false),
        fields.dropout("attention_dropout", 0),
        rope,
        fields.tokenId("bos_token_id", 1),
        fields.tokenIds("eos_token_id", 2),
        fields.json());
  }
}
