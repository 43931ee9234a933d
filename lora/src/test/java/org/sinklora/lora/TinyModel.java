package org.sinklora.lora;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SplittableRandom;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.ShardedModelWriter;
import org.sinklora.lora.safetensors.TensorInfo;

/**
 * A model folder with random weights, a few thousand of them. Names and shapes are spelled out here
 * once more, independently of the code under test.
 *
 * @param config its config.json
 * @param dtype of the weights
 * @param shardBytes size of a shard
 */
record TinyModel(ObjectNode config, Dtype dtype, long shardBytes) {
  static final int VOCABULARY = 37;

  private static final String LLAMA =
      """
      {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 37,
       "hidden_size": 24, "intermediate_size": 20, "num_hidden_layers": 2,
       "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 64,
       "rms_norm_eps": 1e-5, "rope_theta": 100.0, "tie_word_embeddings": false}
      """;

  private static final String GPT_NEOX =
      """
      {"model_type": "gpt_neox", "architectures": ["GPTNeoXForCausalLM"], "vocab_size": 37,
       "hidden_size": 32, "intermediate_size": 28, "num_hidden_layers": 2,
       "num_attention_heads": 4, "max_position_embeddings": 64, "rotary_emb_base": 100.0,
       "rotary_pct": 0.25, "tie_word_embeddings": false}
      """;

  /** A Llama with these fields changed. */
  static TinyModel llama(String fields) {
    return of(LLAMA, fields);
  }

  /** A GPT-NeoX with these fields changed. */
  static TinyModel gptNeoX(String fields) {
    return of(GPT_NEOX, fields);
  }

  private static TinyModel of(String json, String fields) {
    try {
      ObjectNode config = (ObjectNode) new JsonMapper().readTree(json);
      config.setAll((ObjectNode) new JsonMapper().readTree("{" + fields + "}"));
      return new TinyModel(config, Dtype.F32, ShardedModelWriter.DEFAULT_SHARD_BYTES);
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  /** The same in another type. */
  TinyModel as(Dtype newDtype) {
    return new TinyModel(config, newDtype, shardBytes);
  }

  /** The same in shards. */
  TinyModel inShardsOf(long bytes) {
    return new TinyModel(config, dtype, bytes);
  }

  /** Writes the folder; the same weights every time. */
  Path writeTo(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.writeString(folder.resolve("config.json"), config.toPrettyString());
    Files.writeString(folder.resolve("tokenizer.json"), "{\"version\": \"1.0\"}");
    Files.writeString(folder.resolve("tokenizer_config.json"), "{}");
    Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": 2}");
    ShardedModelWriter writer = new ShardedModelWriter(shardBytes);
    shapes().forEach((name, shape) -> add(writer, name, shape));
    writer.write(folder);
    return folder;
  }

  private void add(ShardedModelWriter writer, String name, long[] shape) {
    SplittableRandom random = new SplittableRandom(name.hashCode());
    boolean normWeight = name.contains("norm") && name.endsWith(".weight");
    TensorInfo info = TensorInfo.of(dtype, shape);
    writer.add(
        name,
        info,
        (first, destination, at, count) -> {
          for (int i = at; i < at + count; i++) {
            double draw = random.nextGaussian();
            destination[i] = (float) (normWeight ? 1 + 0.2 * draw : 0.3 * draw);
          }
        });
  }

  private Map<String, long[]> shapes() {
    return config.path("model_type").asText().equals("llama") ? llamaShapes() : gptNeoXShapes();
  }

  private int field(String name) {
    return config.path(name).asInt();
  }

  private Map<String, long[]> llamaShapes() {
    int hidden = field("hidden_size");
    int headDim =
        config.has("head_dim") ? field("head_dim") : hidden / field("num_attention_heads");
    int queries = headDim * field("num_attention_heads");
    int keys = headDim * field("num_key_value_heads");
    int ffn = field("intermediate_size");
    boolean attentionBias = config.path("attention_bias").asBoolean();
    boolean mlpBias = config.path("mlp_bias").asBoolean();
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("model.embed_tokens.weight", new long[] {VOCABULARY, hidden});
    for (int i = 0; i < field("num_hidden_layers"); i++) {
      String layer = "model.layers." + i + ".";
      shapes.put(layer + "input_layernorm.weight", new long[] {hidden});
      linear(shapes, layer + "self_attn.q_proj", queries, hidden, attentionBias);
      linear(shapes, layer + "self_attn.k_proj", keys, hidden, attentionBias);
      linear(shapes, layer + "self_attn.v_proj", keys, hidden, attentionBias);
      linear(shapes, layer + "self_attn.o_proj", hidden, queries, attentionBias);
      shapes.put(layer + "post_attention_layernorm.weight", new long[] {hidden});
      linear(shapes, layer + "mlp.gate_proj", ffn, hidden, mlpBias);
      linear(shapes, layer + "mlp.up_proj", ffn, hidden, mlpBias);
      linear(shapes, layer + "mlp.down_proj", hidden, ffn, mlpBias);
    }
    shapes.put("model.norm.weight", new long[] {hidden});
    if (!config.path("tie_word_embeddings").asBoolean()) {
      shapes.put("lm_head.weight", new long[] {VOCABULARY, hidden});
    }
    return shapes;
  }

  private Map<String, long[]> gptNeoXShapes() {
    int hidden = field("hidden_size");
    int ffn = field("intermediate_size");
    boolean attentionBias = config.path("attention_bias").asBoolean(true);
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("gpt_neox.embed_in.weight", new long[] {VOCABULARY, hidden});
    for (int i = 0; i < field("num_hidden_layers"); i++) {
      String layer = "gpt_neox.layers." + i + ".";
      norm(shapes, layer + "input_layernorm", hidden);
      linear(shapes, layer + "attention.query_key_value", 3 * hidden, hidden, attentionBias);
      linear(shapes, layer + "attention.dense", hidden, hidden, attentionBias);
      norm(shapes, layer + "post_attention_layernorm", hidden);
      linear(shapes, layer + "mlp.dense_h_to_4h", ffn, hidden, true);
      linear(shapes, layer + "mlp.dense_4h_to_h", hidden, ffn, true);
    }
    norm(shapes, "gpt_neox.final_layer_norm", hidden);
    if (!config.path("tie_word_embeddings").asBoolean()) {
      shapes.put("embed_out.weight", new long[] {VOCABULARY, hidden});
    }
    return shapes;
  }

  private static void linear(
      Map<String, long[]> shapes, String path, int out, int in, boolean bias) {
    shapes.put(path + ".weight", new long[] {out, in});
    if (bias) {
      shapes.put(path + ".bias", new long[] {out});
    }
  }

  private static void norm(Map<String, long[]> shapes, String path, int size) {
    shapes.put(path + ".weight", new long[] {size});
    shapes.put(path + ".bias", new long[] {size});
  }
}
