package org.sinklora.lora;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Configurations of well-known models under short names, for measurements on random weights: speed
 * and memory follow from the shape alone.
 */
public final class NamedShapes {
  private static final Map<String, String> SHAPES = new LinkedHashMap<>();

  static {
    SHAPES.put(
        "bundled",
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 2048,
         "hidden_size": 256, "intermediate_size": 640, "num_hidden_layers": 6,
         "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 32,
         "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "tie_word_embeddings": true}
        """);
    SHAPES.put(
        "llama2-7b",
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000,
         "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 32,
         "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "tie_word_embeddings": false}
        """);
    SHAPES.put(
        "llama2-13b",
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 32000,
         "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
         "num_attention_heads": 40, "num_key_value_heads": 40,
         "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "tie_word_embeddings": false}
        """);
    SHAPES.put(
        "llama3-8b",
        """
        {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 128256,
         "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
         "num_attention_heads": 32, "num_key_value_heads": 8,
         "max_position_embeddings": 8192, "rms_norm_eps": 1e-5, "rope_theta": 500000.0,
         "tie_word_embeddings": false}
        """);
    SHAPES.put(
        "pythia-1.4b",
        """
        {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": 50304,
         "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 24,
         "num_attention_heads": 16, "max_position_embeddings": 2048, "rotary_emb_base": 10000.0,
         "rotary_pct": 0.25, "use_parallel_residual": true, "tie_word_embeddings": false}
        """);
  }

  private NamedShapes() {}

  /**
   * The configuration of that name.
   *
   * @throws IllegalArgumentException if there is none; the message names all there are
   */
  public static ModelConfig of(String name) {
    String json = SHAPES.get(name);
    if (json == null) {
      throw new IllegalArgumentException(
          "There is no model shape '%s'; choose one of %s".formatted(name, SHAPES.keySet()));
    }
    try {
      return ModelConfig.parse((ObjectNode) new JsonMapper().readTree(json), name);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("The built-in configuration of " + name + " is no JSON", e);
    }
  }
}
