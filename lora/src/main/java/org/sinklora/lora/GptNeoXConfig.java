package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.OptionalInt;
import org.sinklora.compute.GeluKind;

/**
 * A GPT-NeoX model (Pythia among them): LayerNorm, a fused query-key-value projection, rotary
 * embedding over a part of each head, and attention and MLP side by side.
 *
 * @param vocabSize rows of the embedding
 * @param hiddenSize width of the residual stream
 * @param intermediateSize width of the MLP
 * @param numHiddenLayers number of blocks
 * @param numAttentionHeads number of heads
 * @param maxPositionEmbeddings context length
 * @param layerNormEps added to the variance
 * @param gelu the activation of the MLP
 * @param useParallelResidual whether attention and MLP read the same residual stream
 * @param attentionBias whether the two attention projections have a bias; those of the MLP do
 * @param tieWordEmbeddings whether the output head is the embedding
 * @param attentionDropout dropout on attention probabilities while training
 * @param hiddenDropout dropout after the embedding, attention and MLP while training
 * @param rope the rotary position embedding
 * @param bosTokenId token a text starts with
 * @param eosTokenIds tokens that end a text
 * @param json the whole configuration
 */
public record GptNeoXConfig(
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int numHiddenLayers,
    int numAttentionHeads,
    int maxPositionEmbeddings,
    double layerNormEps,
    GeluKind gelu,
    boolean useParallelResidual,
    boolean attentionBias,
    boolean tieWordEmbeddings,
    double attentionDropout,
    double hiddenDropout,
    RopeConfig rope,
    OptionalInt bosTokenId,
    List<Integer> eosTokenIds,
    ObjectNode json)
    implements ModelConfig {

  @Override
  public int numKeyValueHeads() {
    return numAttentionHeads;
  }

  @Override
  public int headDim() {
    return hiddenSize / numAttentionHeads;
  }

  @Override
  public ObjectNode json() {
    return json.deepCopy();
  }

  static GptNeoXConfig parse(JsonFields fields) {
    int hiddenSize = fields.positiveInt("hidden_size", 6144);
    int heads = fields.positiveInt("num_attention_heads", 64);
    if (hiddenSize % heads != 0) {
      throw fields.bad("num_attention_heads", "a divisor of hidden_size, which is " + hiddenSize);
    }
    int maxPositions = fields.positiveInt("max_position_embeddings", 2048);
    return new GptNeoXConfig(
        fields.positiveInt("vocab_size", 50_432),
        hiddenSize,
        fields.positiveInt("intermediate_size", 24_576),
        fields.positiveInt("num_hidden_layers", 44),
        heads,
        maxPositions,
        fields.positive("layer_norm_eps", 1e-5),
        gelu(fields),
        fields.flag("use_parallel_residual", true),
        fields.flag("attention_bias", true),
        fields.flag("tie_word_embeddings", false),
        fields.dropout("attention_dropout", 0),
        fields.dropout("hidden_dropout", 0),
        RopeJson.read(fields, maxPositions, "rotary_emb_base", "rotary_pct", 0.25),
        fields.tokenId("bos_token_id", 0),
        fields.tokenIds("eos_token_id", 2),
        fields.json());
  }

  private static GeluKind gelu(JsonFields fields) {
    return switch (fields.text("hidden_act", "gelu")) {
      case "gelu" -> GeluKind.ERF;
      case "gelu_new", "gelu_fast", "gelu_pytorch_tanh" -> GeluKind.TANH;
      default ->
          throw fields.unsupported(
              "hidden_act",
              "GPT-NeoX is supported with gelu, gelu_new, gelu_fast, gelu_pytorch_tanh");
    };
  }
}
