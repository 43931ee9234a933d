package org.sinklora.lora;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;

/**
 * Fields of a model configuration that change the result and are not implemented. At the values
 * listed here they change nothing.
 */
final class UnsupportedFields {

  /** Off at false, 0, an empty list or object. */
  private static final List<String> SWITCHES =
      List.of(
          "quantization_config",
          "compression_config",
          "attn_logit_softcapping",
          "final_logit_softcapping",
          "attention_chunk_size",
          "qk_norm",
          "use_qk_norm",
          "qk_layernorm",
          "num_experts",
          "num_local_experts",
          "n_routed_experts",
          "moe_layers",
          "no_rope_layer_interval",
          "clip_qkv",
          "alibi",
          "use_alibi",
          "rope_interleaved",
          "rope_traditional",
          "add_cross_attention",
          "is_encoder_decoder",
          "use_mrope",
          "attn_temperature_tuning",
          "query_pre_attn_scalar",
          "attention_multiplier",
          "num_kv_shared_layers",
          "mup_enabled");

  /** Off at 1. */
  private static final List<String> FACTORS =
      List.of(
          "logit_scale",
          "logits_scaling",
          "residual_multiplier",
          "embedding_multiplier",
          "lm_head_multiplier",
          "scale_emb");

  private UnsupportedFields() {}

  static void check(JsonFields config) {
    for (String field : SWITCHES) {
      if (config.has(field) && !isOff(config.get(field))) {
        throw config.unsupported(field, "a model without it is needed");
      }
    }
    for (String field : FACTORS) {
      if (config.has(field) && config.get(field).asDouble(Double.NaN) != 1) {
        throw config.unsupported(field, "only 1 is supported");
      }
    }
    if (config.has("sliding_window") && config.flag("use_sliding_window", true)) {
      throw config.unsupported("sliding_window", "only full attention is supported");
    }
    for (String type : config.texts("layer_types")) {
      if (!type.equals("full_attention")) {
        throw config.unsupported("layer_types", "only full_attention is supported");
      }
    }
    // In spite of its name a 1 in this list is a layer with RoPE.
    for (int withRope : config.intOrInts("no_rope_layers")) {
      if (withRope != 1) {
        throw config.unsupported("no_rope_layers", "only layers with RoPE are supported");
      }
    }
    if (!config.text("position_embedding_type", "rotary").matches("rotary|rope|absolute")) {
      throw config.unsupported("position_embedding_type", "only rotary is supported");
    }
  }

  private static boolean isOff(JsonNode value) {
    return value.isContainerNode()
        ? value.isEmpty()
        : value.isBoolean() ? !value.booleanValue() : value.isNumber() && value.asDouble() == 0;
  }
}
