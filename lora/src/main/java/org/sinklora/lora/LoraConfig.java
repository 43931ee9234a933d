package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/**
 * The settings of a LoRA adapter: {@code adapter_config.json} of a PEFT adapter folder.
 *
 * <p>Module paths are those inside the base model, such as {@code model.layers.0.self_attn.q_proj}
 * or {@code gpt_neox.layers.0.attention.dense}.
 *
 * @param rank rows of A, where {@code rankPattern} does not say otherwise; {@code r} in the file
 * @param alpha numerator of the scale, where {@code alphaPattern} does not say otherwise
 * @param dropout dropout on the input of A while training
 * @param targetModules linear layers that get LoRA
 * @param excludeModules layers of these that do not
 * @param modulesToSave modules that are trained and stored whole
 * @param bias which biases are trained
 * @param useRslora whether the scale is alpha/√rank rather than alpha/rank
 * @param rankPattern ranks by expressions for the end of a path; the first that matches counts
 * @param alphaPattern alphas likewise
 * @param layersToTransform numbers of the layers that get LoRA; all if empty
 * @param layersPattern names of the list whose numbers those are; any if empty
 * @param fanInFanOut stored for PEFT; without meaning for linear layers
 * @param initLoraWeights how A and B start
 * @param ensureWeightTying whether a head tied to the embedding follows the adapter's copy of it
 * @param baseModelNameOrPath where the base model is; null if not said
 * @param revision its revision; null if not said
 * @param taskType {@code CAUSAL_LM} or null
 */
public record LoraConfig(
    int rank,
    double alpha,
    double dropout,
    ModuleSelector targetModules,
    ModuleSelector excludeModules,
    List<String> modulesToSave,
    LoraBias bias,
    boolean useRslora,
    Map<String, Integer> rankPattern,
    Map<String, Double> alphaPattern,
    List<Integer> layersToTransform,
    List<String> layersPattern,
    boolean fanInFanOut,
    InitLoraWeights initLoraWeights,
    boolean ensureWeightTying,
    String baseModelNameOrPath,
    String revision,
    String taskType) {

  /** What the file is called. */
  static final String FILE = "adapter_config.json";

  /**
   * @throws ModelFormatException if a value is out of its range
   */
  public LoraConfig {
    Objects.requireNonNull(excludeModules);
    Objects.requireNonNull(bias);
    Objects.requireNonNull(initLoraWeights);
    modulesToSave = List.copyOf(modulesToSave);
    layersToTransform = List.copyOf(layersToTransform);
    layersPattern = List.copyOf(layersPattern);
    // Copies that keep the order: the first pattern that matches counts.
    rankPattern = Collections.unmodifiableMap(new LinkedHashMap<>(rankPattern));
    alphaPattern = Collections.unmodifiableMap(new LinkedHashMap<>(alphaPattern));
    check(rank >= 1, "r", rank, "at least 1");
    check(Double.isFinite(alpha), "lora_alpha", alpha, "a finite number");
    check(dropout >= 0 && dropout < 1, "lora_dropout", dropout, "from 0 up to, not including, 1");
    check(
        !targetModules.isEmpty() || !modulesToSave.isEmpty(),
        "target_modules",
        "empty",
        "names or an expression, or modules_to_save");
    rankPattern.forEach(
        (pattern, value) -> {
          compile(pattern);
          check(value >= 1, "rank_pattern." + pattern, value, "at least 1");
        });
    alphaPattern.forEach(
        (pattern, value) -> {
          compile(pattern);
          check(Double.isFinite(value), "alpha_pattern." + pattern, value, "a finite number");
        });
    layersPattern.forEach(LoraConfig::compile);
    boolean byExpression = targetModules.expression() != null;
    check(
        !byExpression || (layersToTransform.isEmpty() && layersPattern.isEmpty()),
        "layers_to_transform or layers_pattern",
        "given",
        "neither beside an expression in target_modules; put the layers into the expression");
  }

  /** Starts a configuration; rank, alpha and target modules have to be set. */
  public static LoraConfigBuilder builder() {
    return new LoraConfigBuilder();
  }

  /**
   * Reads {@code adapter_config.json} of an adapter folder.
   *
   * @throws ModelFormatException if it is absent, malformed or asks for what is not supported
   */
  public static LoraConfig read(Path adapterFolder) {
    return LoraConfigJson.parse(JsonFields.read(adapterFolder.resolve(FILE)));
  }

  /**
   * The configuration that a JSON object holds.
   *
   * @param json the object
   * @param source what errors call it
   * @throws ModelFormatException if it is malformed or asks for what is not supported
   */
  public static LoraConfig parse(ObjectNode json, String source) {
    return LoraConfigJson.parse(new JsonFields(source, json));
  }

  /** Every field that PEFT writes, in its order. */
  public ObjectNode toJson() {
    return LoraConfigJson.write(this);
  }

  /** Writes {@code adapter_config.json} into a folder. */
  public void write(Path adapterFolder) throws IOException {
    Files.writeString(adapterFolder.resolve(FILE), PythonJson.write(toJson()));
  }

  /** This configuration for another base model name, revision and nothing else. */
  public LoraConfig withBaseModel(String nameOrPath, String newRevision) {
    return new LoraConfigBuilder(this).optBaseModel(nameOrPath, newRevision).build();
  }

  /** Full fine-tuning as the limit case: no LoRA, these modules trained whole. */
  static LoraConfig savingWhole(List<String> modules) {
    return builder()
        .setRank(1)
        .setAlpha(1)
        .setTargetModules(ModuleSelector.none())
        .optModulesToSave(modules)
        .optEnsureWeightTying(true)
        .build();
  }

  /** This configuration for an adapter whose whole modules and biases were left out. */
  LoraConfig withoutSavedModules() {
    return new LoraConfigBuilder(this)
        .optModulesToSave(List.of())
        .optBias(LoraBias.NONE)
        .optEnsureWeightTying(false)
        .build();
  }

  /** Whether a linear layer gets LoRA. */
  public boolean targets(String modulePath) {
    if (excludeModules.selects(modulePath) || isInsideSavedModule(modulePath)) {
      return false;
    }
    if (!targetModules.selects(modulePath)) {
      return false;
    }
    // As in PEFT, a layer that is given by its whole path is not asked for its number.
    return layersToTransform.isEmpty()
        || targetModules.selectsExactly(modulePath)
        || layersToTransform.contains(layerOf(modulePath));
  }

  /**
   * Whether a module is trained and stored whole. As in PEFT, a name selects every module whose
   * path ends in it: {@code norm} selects {@code input_layernorm} too.
   */
  public boolean savesWhole(String modulePath) {
    return modulesToSave.stream().anyMatch(modulePath::endsWith);
  }

  /** Rank of a layer's A and B. */
  public int rankOf(String modulePath) {
    return firstMatch(rankPattern, modulePath, rank);
  }

  /** Alpha of a layer. */
  public double alphaOf(String modulePath) {
    return firstMatch(alphaPattern, modulePath, alpha);
  }

  /** The factor on B·A: alpha/rank, or alpha/√rank with {@code useRslora}. */
  public float scaleOf(String modulePath) {
    int r = rankOf(modulePath);
    return (float) (alphaOf(modulePath) / (useRslora ? Math.sqrt(r) : r));
  }

  private boolean isInsideSavedModule(String modulePath) {
    return modulesToSave.stream()
        .anyMatch(name -> ("." + modulePath + ".").contains("." + name + "."));
  }

  /** The number of a layer's block, or −1. */
  private int layerOf(String modulePath) {
    List<String> lists = layersPattern.isEmpty() ? List.of("[^.]*") : layersPattern;
    for (String list : lists) {
      Matcher matcher = Pattern.compile(".*\\.(?:" + list + ")\\.(\\d+)\\.").matcher(modulePath);
      if (matcher.lookingAt()) {
        // The number is the last group: the list's name may have groups of its own.
        return Integer.parseInt(matcher.group(matcher.groupCount()));
      }
    }
    return -1;
  }

  private static <T> T firstMatch(Map<String, T> patterns, String modulePath, T otherwise) {
    for (Map.Entry<String, T> entry : patterns.entrySet()) {
      if (compile(entry.getKey()).matcher(modulePath).matches()) {
        return entry.getValue();
      }
    }
    return otherwise;
  }

  private static Pattern compile(String pattern) {
    try {
      return Pattern.compile("(.*\\.)?(" + pattern + ")");
    } catch (PatternSyntaxException e) {
      throw new ModelFormatException(
          "LoRA: the pattern %s is not a regular expression: %s"
              .formatted(pattern, e.getDescription()),
          e);
    }
  }

  private static void check(boolean holds, String field, Object value, String expected) {
    if (!holds) {
      throw new ModelFormatException(
          "LoRA: %s is %s; expected %s".formatted(field, value, expected));
    }
  }
}
