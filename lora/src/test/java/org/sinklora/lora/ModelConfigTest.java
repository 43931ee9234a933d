package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.GeluKind;

class ModelConfigTest {
  private static final JsonMapper JSON = new JsonMapper();

  private static ModelConfig parse(String fields) {
    try {
      return ModelConfig.parse(
          (ObjectNode) JSON.readTree(("{" + fields + "}").replace('\'', '"')), "test.json");
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  private static ModelConfig llama(String fields) {
    return parse("'model_type':'llama'" + (fields.isEmpty() ? "" : "," + fields));
  }

  private static ModelConfig gptNeoX(String fields) {
    return parse("'model_type':'gpt_neox'" + (fields.isEmpty() ? "" : "," + fields));
  }

  @Test
  void llamaFixture() {
    LlamaConfig config =
        assertInstanceOf(
            LlamaConfig.class, ModelConfig.read(FormatFixtures.path("llama-gqa-embed-norm/base")));
    assertEquals(259, config.vocabSize());
    assertEquals(64, config.hiddenSize());
    assertEquals(172, config.intermediateSize());
    assertEquals(3, config.numHiddenLayers());
    assertEquals(4, config.numAttentionHeads());
    assertEquals(2, config.numKeyValueHeads());
    assertEquals(16, config.headDim());
    assertEquals(16, config.rotaryDim());
    assertEquals(128, config.maxPositionEmbeddings());
    assertEquals(1e-5, config.rmsNormEps());
    assertFalse(config.tieWordEmbeddings());
    assertEquals(OptionalInt.of(1), config.bosTokenId());
    assertEquals(List.of(2), config.eosTokenIds());
    assertEquals(RopeConfig.unscaled(10_000), config.rope());
  }

  @Test
  void gptNeoXFixture() {
    GptNeoXConfig config =
        assertInstanceOf(
            GptNeoXConfig.class, ModelConfig.read(FormatFixtures.path("gpt-neox/base")));
    assertEquals(256, config.intermediateSize());
    assertEquals(4, config.numKeyValueHeads());
    assertEquals(16, config.headDim());
    assertEquals(4, config.rotaryDim());
    assertEquals(GeluKind.ERF, config.gelu());
    assertTrue(config.useParallelResidual() && config.attentionBias());
    assertEquals(0, config.hiddenDropout());
  }

  @Test
  void absentFieldsHaveTheDefaultsOfTransformers() {
    LlamaConfig llama = (LlamaConfig) llama("");
    assertEquals(32_000, llama.vocabSize());
    assertEquals(4096, llama.hiddenSize());
    assertEquals(11_008, llama.intermediateSize());
    assertEquals(32, llama.numHiddenLayers());
    assertEquals(32, llama.numKeyValueHeads());
    assertEquals(128, llama.headDim());
    assertEquals(2048, llama.maxPositionEmbeddings());
    assertEquals(1e-6, llama.rmsNormEps());
    GptNeoXConfig neoX = (GptNeoXConfig) gptNeoX("");
    assertEquals(50_432, neoX.vocabSize());
    assertEquals(6144, neoX.hiddenSize());
    assertEquals(44, neoX.numHiddenLayers());
    assertEquals(64, neoX.numAttentionHeads());
    assertEquals(24_576, neoX.intermediateSize());
    assertEquals(24, neoX.rotaryDim());
    assertEquals(1e-5, neoX.layerNormEps());
    assertEquals(OptionalInt.of(0), neoX.bosTokenId());
  }

  @Test
  void theArchitectureMayBeNamedEitherWay() {
    assertInstanceOf(LlamaConfig.class, parse("'architectures':['LlamaForCausalLM']"));
    assertInstanceOf(GptNeoXConfig.class, parse("'architectures':['GPTNeoXForCausalLM']"));
    assertInstanceOf(LlamaConfig.class, llama("'architectures':null"));
  }

  @Test
  void severalEndTokensAndNone() {
    assertEquals(List.of(128001, 128008), llama("'eos_token_id':[128001,128008]").eosTokenIds());
    assertEquals(List.of(), llama("'eos_token_id':null").eosTokenIds());
    assertEquals(OptionalInt.empty(), llama("'bos_token_id':null").bosTokenId());
  }

  @ParameterizedTest
  @CsvSource({"gelu, ERF", "gelu_new, TANH", "gelu_fast, TANH", "gelu_pytorch_tanh, TANH"})
  void geluNames(String name, GeluKind kind) {
    assertEquals(kind, ((GptNeoXConfig) gptNeoX("'hidden_act':'" + name + "'")).gelu());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'sliding_window':null",
        "'sliding_window':4096,'use_sliding_window':false",
        "'quantization_config':null",
        "'pretraining_tp':4",
        "'layer_types':['full_attention','full_attention']",
        "'no_rope_layers':[1,1]",
        "'residual_multiplier':1.0",
        "'num_experts':0",
        "'use_qk_norm':false",
        "'hidden_act':'swish'",
        "'some_future_field':{'a':1}"
      })
  void whatChangesNothingIsIgnored(String fields) {
    assertInstanceOf(LlamaConfig.class, llama(fields));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'sliding_window':4096 | sliding_window",
        "'quantization_config':{'bits':4} | quantization_config",
        "'logit_scale':0.5 | logit_scale",
        "'attn_logit_softcapping':50.0 | attn_logit_softcapping",
        "'final_logit_softcapping':30.0 | final_logit_softcapping",
        "'residual_multiplier':0.2 | residual_multiplier",
        "'embedding_multiplier':12 | embedding_multiplier",
        "'attention_multiplier':0.1 | attention_multiplier",
        "'logits_scaling':8 | logits_scaling",
        "'logits_scaling':'8' | logits_scaling",
        "'qk_norm':true | qk_norm",
        "'use_qk_norm':true | use_qk_norm",
        "'layer_types':['sliding_attention'] | layer_types",
        "'num_experts':8 | num_experts",
        "'num_local_experts':8 | num_local_experts",
        "'no_rope_layers':[1,0] | no_rope_layers",
        "'no_rope_layer_interval':4 | no_rope_layer_interval",
        "'position_embedding_type':'alibi' | position_embedding_type",
        "'hidden_act':'relu' | hidden_act",
        "'hidden_size':0 | hidden_size is 0",
        "'hidden_size':-64 | hidden_size is -64",
        "'hidden_size':64.0 | hidden_size is 64.0",
        "'hidden_size':'64' | hidden_size",
        "'hidden_size':4294967297 | hidden_size is 4294967297",
        "'vocab_size':true | vocab_size",
        "'num_key_value_heads':5 | num_key_value_heads is 5",
        "'num_attention_heads':3 | num_attention_heads is 3",
        "'head_dim':7 | rotary dimension of 7",
        "'rms_norm_eps':0 | rms_norm_eps is 0",
        "'rms_norm_eps':'small' | rms_norm_eps",
        "'tie_word_embeddings':1 | tie_word_embeddings is 1",
        "'attention_dropout':1.0 | attention_dropout",
        "'eos_token_id':'</s>' | eos_token_id",
        "'eos_token_id':-1 | eos_token_id",
        "'architectures':['MistralForCausalLM'] | MistralForCausalLM",
        "'architectures':['LlamaForSequenceClassification'] | LlamaForSequenceClassification",
        "'architectures':'LlamaForCausalLM' | architectures",
      })
  void whatIsNotSupportedIsNamed(String fields, String expected) {
    ModelFormatException refusal = assertThrows(ModelFormatException.class, () -> llama(fields));
    assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("test.json"), refusal.getMessage());
  }

  @Test
  void otherArchitecturesAreNamed() {
    for (String fields : new String[] {"'model_type':'qwen3'", ""}) {
      String message = assertThrows(ModelFormatException.class, () -> parse(fields)).getMessage();
      assertTrue(message.contains("supported are llama"), message);
    }
    assertThrows(ModelFormatException.class, () -> gptNeoX("'hidden_act':'silu'"));
    assertThrows(ModelFormatException.class, () -> gptNeoX("'rotary_pct':0.01"));
    assertThrows(ModelFormatException.class, () -> gptNeoX("'num_attention_heads':7"));
  }

  @Test
  void badFilesAreNamed(@TempDir Path folder) throws IOException {
    assertThrows(ModelFormatException.class, () -> ModelConfig.read(folder));
    for (String text : new String[] {"", "[]", "{", "{} {}", "{\"a\":1,\"a\":1}"}) {
      Files.writeString(folder.resolve("config.json"), text);
      String message =
          assertThrows(ModelFormatException.class, () -> ModelConfig.read(folder)).getMessage();
      assertTrue(message.contains("config.json"), message);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama-mha", "llama-gqa-embed-norm", "gpt-neox", "rope"})
  void aCopyIsTheSameConfiguration(String fixture, @TempDir Path folder) throws IOException {
    Path base = FormatFixtures.path(fixture + "/base");
    ModelConfig config = ModelConfig.read(base);
    config.write(folder);
    JsonNode expected = JSON.readTree(base.resolve("config.json").toFile());
    assertEquals(expected, JSON.readTree(folder.resolve("config.json").toFile()));
    // Extending changes the length and the embedding, nothing else.
    ModelConfig extended = config.withContext(512, config.rope().extendedLinearly(4));
    ObjectNode changed = (ObjectNode) expected.deepCopy();
    changed.put("max_position_embeddings", 512);
    ((ObjectNode) changed.get("rope_parameters")).put("rope_type", "linear").put("factor", 4.0);
    assertEquals(changed, extended.json());
  }

  @Test
  void theJsonCannotBeChangedFromOutside() {
    ModelConfig config = llama("");
    config.json().put("hidden_size", 1);
    assertFalse(config.json().has("hidden_size"));
  }
}
