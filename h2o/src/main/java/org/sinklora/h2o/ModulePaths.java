package org.sinklora.h2o;

import java.util.List;
import java.util.stream.IntStream;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.ModelConfig;

/**
 * Where the modules of a model are found, under their Hugging Face names.
 *
 * @param embedding of the tokens
 * @param layers one a block
 * @param finalNorm behind the last layer
 * @param head the output head
 */
record ModulePaths(String embedding, List<LayerPaths> layers, String finalNorm, String head) {

  /**
   * The modules of one layer, in the order of their use.
   *
   * @param inputNorm before attention
   * @param attentionInputs what makes queries, keys and values: three linears, or one
   * @param attentionOutput from the heads back to the residual stream
   * @param postAttentionNorm before the MLP
   * @param mlpInputs gate and up, or one
   * @param mlpOutput back to the residual stream
   */
  record LayerPaths(
      String inputNorm,
      List<String> attentionInputs,
      String attentionOutput,
      String postAttentionNorm,
      List<String> mlpInputs,
      String mlpOutput) {}

  static ModulePaths of(ModelConfig config) {
    IntStream layers = IntStream.range(0, config.numHiddenLayers());
    return config instanceof LlamaConfig
        ? new ModulePaths(
            "model.embed_tokens",
            layers.mapToObj(i -> llama("model.layers." + i + ".")).toList(),
            "model.norm",
            "lm_head")
        : new ModulePaths(
            "gpt_neox.embed_in",
            layers.mapToObj(i -> neoX("gpt_neox.layers." + i + ".")).toList(),
            "gpt_neox.final_layer_norm",
            "embed_out");
  }

  private static LayerPaths llama(String layer) {
    String attention = layer + "self_attn.";
    return new LayerPaths(
        layer + "input_layernorm",
        List.of(attention + "q_proj", attention + "k_proj", attention + "v_proj"),
        attention + "o_proj",
        layer + "post_attention_layernorm",
        List.of(layer + "mlp.gate_proj", layer + "mlp.up_proj"),
        layer + "mlp.down_proj");
  }

  private static LayerPaths neoX(String layer) {
    return new LayerPaths(
        layer + "input_layernorm",
        List.of(layer + "attention.query_key_value"),
        layer + "attention.dense",
        layer + "post_attention_layernorm",
        List.of(layer + "mlp.dense_h_to_4h"),
        layer + "mlp.dense_4h_to_h");
  }
}
