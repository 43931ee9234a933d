package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

class LoraConfigTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final String Q0 = "model.layers.0.self_attn.q_proj";
  private static final String Q11 = "model.layers.11.self_attn.q_proj";

  private static LoraConfig parse(String fields) {
    try {
      return LoraConfig.parse(
          (ObjectNode) JSON.readTree(("{" + fields + "}").replace('\'', '"')), "test.json");
    } catch (JsonProcessingException e) {
      throw new AssertionError(e);
    }
  }

  private static LoraConfigBuilder small() {
    return LoraConfig.builder().setRank(4).setAlpha(8);
  }

  private static LoraConfig attention(LoraConfigBuilder builder) {
    return builder.setTargetModules("q_proj", "k_proj", "v_proj", "o_proj").build();
  }

  private static void assertIsFixture(LoraConfig config, String fixture) throws IOException {
    Path folder = FormatFixtures.path(fixture);
    String file = Files.readString(folder.resolve("adapter_config.json"));
    assertEquals(JSON.readTree(file), config.toJson());
    assertEquals(file, PythonJson.write(config.toJson()));
    LoraConfig read = LoraConfig.read(folder);
    assertEquals(config.toJson(), read.toJson());
  }

  @Test
  void theFixturesAreWrittenFieldForField() throws IOException {
    assertIsFixture(attention(small()), "llama-mha/adapter");
    assertIsFixture(attention(small()), "llama-mha/adapter_after_10_steps");
    assertIsFixture(
        attention(
            small()
                .optModulesToSave(
                    List.of(
                        "embed_tokens", "input_layernorm", "post_attention_layernorm", "norm"))),
        "llama-gqa-embed-norm/adapter");
    assertIsFixture(
        small().setTargetModules("query_key_value", "dense").build(), "gpt-neox/adapter");
  }

  @Test
  void everySettingSurvivesAFile(@TempDir Path folder) throws IOException {
    LoraConfig config =
        small()
            .setAlpha(7.5)
            .setTargetModules("q_proj", "v_proj")
            .optDropout(0.05)
            .optExcludeModules(ModuleSelector.matching(".*\\.9\\..*"))
            .optModulesToSave(List.of("norm", "embed_tokens"))
            .optBias(LoraBias.LORA_ONLY)
            .optUseRslora(true)
            .optRankPattern("v_proj", 2)
            .optRankPattern("layers.0.*", 3)
            .optAlphaPattern("q_proj", 16)
            .optLayersToTransform(List.of(0, 2))
            .optLayersPattern(List.of("layers"))
            .optFanInFanOut(true)
            .optInitLoraWeights(InitLoraWeights.GAUSSIAN)
            .optEnsureWeightTying(true)
            .optBaseModel("org/model", "main")
            .optTaskType(null)
            .build();
    config.write(folder);
    LoraConfig read = LoraConfig.read(folder);
    assertEquals(config, read);
    assertEquals(
        List.of("v_proj", "layers.0.*"), List.copyOf(read.rankPattern().keySet()), "in order");
    assertEquals("other", read.withBaseModel("other", null).baseModelNameOrPath());
  }

  @ParameterizedTest
  @EnumSource(InitLoraWeights.class)
  void everyInitialisationSurvives(InitLoraWeights init) {
    LoraConfig config = attention(small().optInitLoraWeights(init));
    assertEquals(init, LoraConfig.parse(config.toJson(), "test").initLoraWeights());
  }

  @Test
  void namesMatchWholeComponentsAtTheEnd() {
    LoraConfig config = small().setTargetModules("q_proj", "attn.o_proj", "lm_head").build();
    assertTrue(config.targets(Q0));
    assertTrue(config.targets("q_proj"));
    assertTrue(config.targets("lm_head"));
    assertTrue(config.targets("model.attn.o_proj"));
    assertFalse(config.targets("model.self_attn.o_proj"), "self_attn is another component");
    assertFalse(config.targets("model.layers.0.self_attn.xq_proj"));
    assertFalse(config.targets("model.layers.0.self_attn.q_proj.inner"));
    assertFalse(small().setTargetModules("q_.*").build().targets(Q0), "names are not expressions");
  }

  @Test
  void anExpressionMatchesTheWholePath() {
    LoraConfig config =
        small().setTargetModules(ModuleSelector.matching(".*\\.(q|v)_proj")).build();
    assertTrue(config.targets(Q0));
    assertFalse(config.targets("q_proj"));
    assertFalse(config.targets("model.layers.0.self_attn.k_proj"));
    assertFalse(config.targets(Q0 + ".inner"));
    assertEquals("\".*\\\\.(q|v)_proj\"", config.toJson().get("target_modules").toString());
  }

  @Test
  void allLinearIsAllButTheHead() {
    LoraConfig config = parse("'target_modules':'all-linear'");
    assertTrue(config.targets(Q0));
    assertTrue(config.targets("model.layers.1.mlp.down_proj"));
    assertTrue(config.targets("gpt_neox.layers.1.mlp.dense_4h_to_h"));
    assertFalse(config.targets("lm_head"));
    assertFalse(config.targets("embed_out"));
    assertFalse(config.targets("model.embed_tokens"));
    assertFalse(config.targets("model.layers.1.input_layernorm"));
    assertEquals(config, LoraConfig.parse(config.toJson().put("task_type", (String) null), "x"));
  }

  @Test
  void excludedAndSavedModulesGetNoLora() {
    LoraConfig config =
        small()
            .setTargetModules("q_proj", "lm_head", "dense")
            .optExcludeModules(ModuleSelector.named("0.self_attn.q_proj"))
            .optModulesToSave(List.of("lm_head", "mlp"))
            .build();
    assertFalse(config.targets(Q0));
    assertTrue(config.targets(Q11));
    assertFalse(config.targets("lm_head"));
    assertFalse(config.targets("model.layers.0.mlp.dense"), "inside a saved module");
    assertTrue(config.targets("model.layers.0.attention.dense"));
    assertTrue(config.savesWhole("lm_head") && !config.savesWhole(Q0));
    assertTrue(
        small()
            .setTargetModules("q_proj")
            .optModulesToSave(List.of("norm"))
            .build()
            .savesWhole("model.layers.0.input_layernorm"),
        "PEFT compares the end of the path");
  }

  @Test
  void layersAreChosenByNumber() {
    LoraConfig one = parse("'target_modules':['q_proj'],'layers_to_transform':1");
    assertTrue(one.targets("model.layers.1.self_attn.q_proj"));
    assertFalse(one.targets(Q0));
    assertFalse(one.targets(Q11));
    assertFalse(one.targets("q_proj.q_proj"), "without a number");
    LoraConfig two =
        parse("'target_modules':['q_proj'],'layers_to_transform':[0,11],'layers_pattern':'layers'");
    assertTrue(two.targets(Q0) && two.targets(Q11));
    assertFalse(two.targets("model.layers.1.self_attn.q_proj"));
    assertFalse(two.targets("model.blocks.0.self_attn.q_proj"));
    assertTrue(parse("'target_modules':['q_proj'],'layers_to_transform':[]").targets(Q11));
    assertTrue(
        parse("'target_modules':['" + Q11 + "'],'layers_to_transform':[0]").targets(Q11),
        "a whole path is not asked for its number");
  }

  @Test
  void patternsMatchTheEndAndTheFirstCounts() {
    LoraConfig config =
        small()
            .setTargetModules("q_proj", "k_proj")
            .optRankPattern("layers.1\\d.self_attn.q_proj", 16)
            .optRankPattern("q_proj", 2)
            .optRankPattern("proj", 99)
            .optAlphaPattern("(q|v)_proj", 32)
            .build();
    assertEquals(16, config.rankOf(Q11));
    assertEquals(2, config.rankOf(Q0));
    assertEquals(4, config.rankOf("model.layers.0.self_attn.k_proj"), "proj is no component");
    assertEquals(32, config.alphaOf(Q11));
    assertEquals(8, config.alphaOf("model.layers.0.self_attn.k_proj"));
    assertEquals(2f, config.scaleOf(Q11));
    assertEquals(16f, config.scaleOf(Q0));
    assertEquals(2f, config.scaleOf("model.layers.0.self_attn.k_proj"));
  }

  @Test
  void rsloraDividesByTheRoot() {
    LoraConfig config = attention(small().setRank(8).optUseRslora(true));
    assertEquals((float) (8 / Math.sqrt(8)), config.scaleOf(Q0));
  }

  @Test
  void absentFieldsHaveTheDefaultsOfPeft() {
    LoraConfig config = parse("");
    assertEquals(8, config.rank());
    assertEquals(8, config.alpha());
    assertTrue(config.targets(Q0) && config.targets("model.layers.0.self_attn.v_proj"));
    assertFalse(config.targets("model.layers.0.self_attn.k_proj"));
    assertTrue(config.targets("gpt_neox.layers.0.attention.query_key_value"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "'some_future_field':null",
        "'some_future_field':false",
        "'some_future_field':{}",
        "'some_future_field':[]",
        "'some_future_field':''",
        "'enable_lora':null",
        "'merge_weights':false",
        "'eva_config':{'rho':2.0},'init_lora_weights':'eva'",
        "'auto_mapping':{'base_model_class':'LlamaForCausalLM'}",
        "'qalora_group_size':32",
        "'peft_version':'0.99'",
        "'inference_mode':false"
      })
  void whatChangesNothingIsIgnored(String fields) {
    assertEquals(8, parse(fields).rank());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "'use_dora':true | use_dora",
        "'use_qalora':true | use_qalora",
        "'lora_bias':true | lora_bias",
        "'target_parameters':['w'] | target_parameters",
        "'trainable_token_indices':[1] | trainable_token_indices",
        "'layer_replication':[[0,4]] | layer_replication",
        "'alora_invocation_tokens':[1] | alora_invocation_tokens",
        "'megatron_config':{'a':1} | megatron_config",
        "'use_bdlora':{'a':1} | use_bdlora",
        "'arrow_config':{'a':1} | arrow_config",
        "'velora_config':{'a':1} | velora_config",
        "'monteclora_config':{'a':1} | monteclora_config",
        "'kasa_config':{'a':1} | kasa_config",
        "'corda_config':{'a':1} | corda_config",
        "'lora_ga_config':{'a':1} | lora_ga_config",
        "'loftq_config':{'loftq_bits':4} | loftq_config",
        "'init_lora_weights':'pissa' | pissa",
        "'init_lora_weights':'pissa_niter_4' | pissa_niter_4",
        "'init_lora_weights':'olora' | olora",
        "'init_lora_weights':'corda' | corda",
        "'init_lora_weights':'loftq' | loftq",
        "'init_lora_weights':'lora_ga' | lora_ga",
        "'peft_type':'IA3' | IA3",
        "'task_type':'SEQ_CLS' | SEQ_CLS",
        "'some_future_field':true | some_future_field",
        "'some_future_field':0.5 | some_future_field",
        "'r':0 | r is 0",
        "'r':'8' | r is \"8\"",
        "'lora_alpha':'16' | lora_alpha",
        "'lora_dropout':1.0 | lora_dropout",
        "'bias':'some' | bias",
        "'use_rslora':1 | use_rslora",
        "'target_modules':[] | target_modules",
        "'target_modules':[1] | target_modules",
        "'target_modules':'(' | (",
        "'target_modules':'.*','layers_to_transform':1 | layers_to_transform",
        "'layers_to_transform':-1 | layers_to_transform",
        "'layers_to_transform':'1' | layers_to_transform",
        "'rank_pattern':{'q_proj':0} | q_proj is 0",
        "'rank_pattern':{'(':1} | (",
        "'rank_pattern':[] | rank_pattern",
        "'alpha_pattern':{'q_proj':'a'} | q_proj",
        "'alpha_pattern':{'q_proj':null} | q_proj",
        "'modules_to_save':'norm' | modules_to_save",
      })
  void whatIsNotSupportedIsNamed(String fields, String expected) {
    ModelFormatException refusal = assertThrows(ModelFormatException.class, () -> parse(fields));
    assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
    assertTrue(refusal.getMessage().contains("test.json"), refusal.getMessage());
  }

  @Test
  void requiredSettingsAreRequired() {
    assertThrows(
        NullPointerException.class,
        () -> LoraConfig.builder().setRank(4).setTargetModules("q_proj").build());
    assertThrows(NullPointerException.class, () -> small().build());
    assertThrows(
        ModelFormatException.class,
        () -> LoraConfig.builder().setAlpha(4).setTargetModules("q_proj").build());
  }
}
