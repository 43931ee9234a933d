package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.sinklora.lora.ModelConfig;

/** Shapes of well-known models, for measurements with random weights. */
enum NamedShape {
  LLAMA2_7B("llama2-7b", 32_000, 4096, 11_008, 32, 32, 32),
  LLAMA3_8B("llama3-8b", 128_256, 4096, 14_336, 32, 32, 8),
  LLAMA_160M("llama-160m", 32_000, 768, 3072, 12, 12, 12);

  private static final int CONTEXT = 131_072;

  private final String label;
  private final int vocabulary;
  private final int hidden;
  private final int intermediate;
  private final int layers;
  private final int heads;
  private final int kvHeads;

  NamedShape(
      String label,
      int vocabulary,
      int hidden,
      int intermediate,
      int layers,
      int heads,
      int kvHeads) {
    this.label = label;
    this.vocabulary = vocabulary;
    this.hidden = hidden;
    this.intermediate = intermediate;
    this.layers = layers;
    this.heads = heads;
    this.kvHeads = kvHeads;
  }

  /** The model's configuration, for contexts up to 131,072 tokens. */
  ModelConfig config() {
    ObjectNode json = new JsonMapper().createObjectNode();
    json.put("model_type", "llama");
    json.put("vocab_size", vocabulary);
    json.put("hidden_size", hidden);
    json.put("intermediate_size", intermediate);
    json.put("num_hidden_layers", layers);
    json.put("num_attention_heads", heads);
    json.put("num_key_value_heads", kvHeads);
    json.put("max_position_embeddings", CONTEXT);
    return ModelConfig.parse(json, label);
  }

  @Override
  public String toString() {
    return label;
  }
}
