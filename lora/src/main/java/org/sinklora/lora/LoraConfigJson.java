package org.sinklora.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** {@link LoraConfig} as {@code adapter_config.json}, with the fields of PEFT 0.21. */
final class LoraConfigJson {
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final String PEFT_VERSION = "0.21.0";

  /** Fields that are read below, and those that do not change what an adapter computes. */
  private static final Set<String> KNOWN =
      Set.of(
          "alpha_pattern",
          "auto_mapping",
          "base_model_name_or_path",
          "bias",
          "ensure_weight_tying",
          "eva_config",
          "exclude_modules",
          "fan_in_fan_out",
          "inference_mode",
          "init_lora_weights",
          "layers_pattern",
          "layers_to_transform",
          "lora_alpha",
          "lora_dropout",
          "megatron_core",
          "modules_to_save",
          "peft_type",
          "peft_version",
          "qalora_group_size",
          "r",
          "rank_pattern",
          "revision",
          "target_modules",
          "task_type",
          "use_rslora");

  /** PEFT's targets where a file names none, for the architectures we have. */
  private static final ModuleSelector DEFAULT_TARGETS =
      ModuleSelector.named("q_proj", "v_proj", "query_key_value");

  private LoraConfigJson() {}

  static LoraConfig parse(JsonFields fields) {
    try {
      return parseFields(fields);
    } catch (ModelFormatException e) {
      throw fields.located(e);
    }
  }

  private static LoraConfig parseFields(JsonFields fields) {
    if (!fields.text("peft_type", "LORA").equals("LORA")) {
      throw fields.unsupported("peft_type", "only LORA is supported");
    }
    for (Map.Entry<String, JsonNode> field : fields.json().properties()) {
      if (!KNOWN.contains(field.getKey()) && !isOff(field.getValue())) {
        throw fields.unsupported(
            field.getKey(), "only adapters with it null, false or empty can be used");
      }
    }
    if (!fields.text("task_type", "CAUSAL_LM").equals("CAUSAL_LM")) {
      throw fields.unsupported("task_type", "only CAUSAL_LM is supported");
    }
    LoraConfigBuilder builder =
        LoraConfig.builder()
            .setRank(fields.positiveInt("r", 8))
            .setAlpha(fields.number("lora_alpha", 8))
            .setTargetModules(targets(fields))
            .optDropout(fields.dropout("lora_dropout", 0))
            .optExcludeModules(selector(fields, "exclude_modules"))
            .optModulesToSave(fields.texts("modules_to_save"))
            .optBias(bias(fields))
            .optUseRslora(fields.flag("use_rslora", false))
            .optLayersToTransform(fields.intOrInts("layers_to_transform"))
            .optLayersPattern(textOrTexts(fields, "layers_pattern"))
            .optFanInFanOut(fields.flag("fan_in_fan_out", false))
            .optInitLoraWeights(initLoraWeights(fields))
            .optEnsureWeightTying(fields.flag("ensure_weight_tying", false))
            .optBaseModel(
                fields.text("base_model_name_or_path", null), fields.text("revision", null))
            .optTaskType(fields.text("task_type", null));
    JsonFields ranks = fields.object("rank_pattern");
    for (Map.Entry<String, JsonNode> entry : ranks.json().properties()) {
      builder.optRankPattern(entry.getKey(), ranks.positiveInt(entry.getKey(), 0));
    }
    JsonFields alphas = fields.object("alpha_pattern");
    for (Map.Entry<String, JsonNode> entry : alphas.json().properties()) {
      builder.optAlphaPattern(entry.getKey(), alphas.number(entry.getKey(), Double.NaN));
    }
    return builder.build();
  }

  /** Fields in alphabetical order, as PEFT sorts them. */
  static ObjectNode write(LoraConfig config) {
    ObjectNode json = NODES.objectNode();
    json.putNull("alora_invocation_tokens");
    // Not sorted within: the first pattern that matches counts.
    ObjectNode alphas = json.putObject("alpha_pattern");
    config.alphaPattern().forEach((pattern, alpha) -> alphas.set(pattern, number(alpha)));
    json.putNull("arrow_config").putNull("auto_mapping");
    json.put("base_model_name_or_path", config.baseModelNameOrPath());
    json.put("bias", config.bias().jsonName()).putNull("corda_config");
    json.put("ensure_weight_tying", config.ensureWeightTying()).putNull("eva_config");
    json.set("exclude_modules", selector(config.excludeModules()));
    json.put("fan_in_fan_out", config.fanInFanOut()).put("inference_mode", true);
    json.set("init_lora_weights", config.initLoraWeights().json());
    json.putNull("kasa_config").putNull("layer_replication");
    json.set("layers_pattern", texts(config.layersPattern()));
    json.set("layers_to_transform", integers(config.layersToTransform()));
    json.putObject("loftq_config");
    json.set("lora_alpha", number(config.alpha()));
    json.put("lora_bias", false).put("lora_dropout", config.dropout());
    json.putNull("lora_ga_config").putNull("megatron_config");
    json.put("megatron_core", "megatron.core");
    json.set("modules_to_save", texts(config.modulesToSave()));
    json.putNull("monteclora_config");
    json.put("peft_type", "LORA").put("peft_version", PEFT_VERSION);
    json.put("qalora_group_size", 16).put("r", config.rank());
    ObjectNode ranks = json.putObject("rank_pattern");
    config.rankPattern().forEach(ranks::put);
    json.put("revision", config.revision());
    json.set("target_modules", selector(config.targetModules()));
    json.putNull("target_parameters").put("task_type", config.taskType());
    json.putNull("trainable_token_indices").putNull("use_bdlora").put("use_dora", false);
    json.put("use_qalora", false).put("use_rslora", config.useRslora());
    return json.putNull("velora_config");
  }

  private static boolean isOff(JsonNode value) {
    return value.isNull()
        || (value.isBoolean() && !value.booleanValue())
        || (value.isContainerNode() && value.isEmpty())
        || (value.isTextual() && value.textValue().isEmpty());
  }

  private static LoraBias bias(JsonFields fields) {
    String name = fields.text("bias", "none");
    return Arrays.stream(LoraBias.values())
        .filter(bias -> bias.jsonName().equals(name))
        .findFirst()
        .orElseThrow(() -> fields.bad("bias", "none, all or lora_only"));
  }

  private static InitLoraWeights initLoraWeights(JsonFields fields) {
    if (!fields.has("init_lora_weights")) {
      return InitLoraWeights.KAIMING;
    }
    JsonNode value = fields.get("init_lora_weights");
    return Arrays.stream(InitLoraWeights.values())
        .filter(init -> init.json().equals(value))
        .findFirst()
        .orElseThrow(
            () ->
                fields.unsupported(
                    "init_lora_weights",
                    "true, false, gaussian, eva and orthogonal leave the base weights alone; merge"
                        + " the others into the base model in PEFT first"));
  }

  /** PEFT always stores names; without them and with modules to save there is no LoRA. */
  private static ModuleSelector targets(JsonFields fields) {
    if (!fields.has("target_modules")) {
      return fields.texts("modules_to_save").isEmpty() ? DEFAULT_TARGETS : ModuleSelector.none();
    }
    return selector(fields, "target_modules");
  }

  private static ModuleSelector selector(JsonFields fields, String field) {
    if (fields.get(field).isTextual()) {
      return ModuleSelector.matching(fields.text(field, ""));
    }
    return new ModuleSelector(fields.texts(field), null);
  }

  private static List<String> textOrTexts(JsonFields fields, String field) {
    if (!fields.get(field).isTextual()) {
      return fields.texts(field);
    }
    String text = fields.text(field, "");
    return text.isEmpty() ? List.of() : List.of(text);
  }

  private static JsonNode selector(ModuleSelector selector) {
    return selector.expression() != null
        ? NODES.textNode(selector.expression())
        : texts(selector.names().stream().sorted().toList());
  }

  private static JsonNode texts(Collection<String> values) {
    if (values.isEmpty()) {
      return NODES.nullNode();
    }
    return NODES.arrayNode().addAll(values.stream().map(NODES::textNode).toList());
  }

  private static JsonNode integers(Collection<Integer> values) {
    if (values.isEmpty()) {
      return NODES.nullNode();
    }
    return NODES.arrayNode().addAll(values.stream().map(NODES::numberNode).toList());
  }

  /** PEFT's alpha is an integer as a rule, and some readers insist on it. */
  private static JsonNode number(double value) {
    boolean isInt = value == Math.rint(value) && Math.abs(value) < 1 << 30;
    return isInt ? NODES.numberNode((int) value) : NODES.numberNode(value);
  }
}
