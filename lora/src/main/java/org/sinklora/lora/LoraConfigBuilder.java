package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Builds a {@link LoraConfig}: what starts with {@code set} is required, {@code opt} is not. */
public final class LoraConfigBuilder {
  private int rank;
  private Double alpha;
  private double dropout;
  private ModuleSelector targetModules;
  private ModuleSelector excludeModules = ModuleSelector.none();
  private List<String> modulesToSave = List.of();
  private LoraBias bias = LoraBias.NONE;
  private boolean useRslora;
  private final Map<String, Integer> rankPattern = new LinkedHashMap<>();
  private final Map<String, Double> alphaPattern = new LinkedHashMap<>();
  private List<Integer> layersToTransform = List.of();
  private List<String> layersPattern = List.of();
  private boolean fanInFanOut;
  private InitLoraWeights initLoraWeights = InitLoraWeights.KAIMING;
  private boolean ensureWeightTying;
  private String baseModelNameOrPath;
  private String revision;
  private String taskType = "CAUSAL_LM";

  LoraConfigBuilder() {}

  LoraConfigBuilder(LoraConfig config) {
    rank = config.rank();
    alpha = config.alpha();
    dropout = config.dropout();
    targetModules = config.targetModules();
    excludeModules = config.excludeModules();
    modulesToSave = config.modulesToSave();
    bias = config.bias();
    useRslora = config.useRslora();
    rankPattern.putAll(config.rankPattern());
    alphaPattern.putAll(config.alphaPattern());
    layersToTransform = config.layersToTransform();
    layersPattern = config.layersPattern();
    fanInFanOut = config.fanInFanOut();
    initLoraWeights = config.initLoraWeights();
    ensureWeightTying = config.ensureWeightTying();
    baseModelNameOrPath = config.baseModelNameOrPath();
    revision = config.revision();
    taskType = config.taskType();
  }

  /** Rank of A and B. */
  public LoraConfigBuilder setRank(int value) {
    rank = value;
    return this;
  }

  /** Numerator of the scale. */
  public LoraConfigBuilder setAlpha(double value) {
    alpha = value;
    return this;
  }

  /** Linear layers that get LoRA. */
  public LoraConfigBuilder setTargetModules(ModuleSelector value) {
    targetModules = value;
    return this;
  }

  /** Linear layers that get LoRA, by name. */
  public LoraConfigBuilder setTargetModules(String... names) {
    return setTargetModules(ModuleSelector.named(names));
  }

  /** Dropout on the input of A while training; 0 by default. */
  public LoraConfigBuilder optDropout(double value) {
    dropout = value;
    return this;
  }

  /** Layers that get no LoRA though they are targets; none by default. */
  public LoraConfigBuilder optExcludeModules(ModuleSelector value) {
    excludeModules = value;
    return this;
  }

  /** Modules that are trained and stored whole; none by default. */
  public LoraConfigBuilder optModulesToSave(List<String> value) {
    modulesToSave = value;
    return this;
  }

  /** Which biases are trained; none by default. */
  public LoraConfigBuilder optBias(LoraBias value) {
    bias = value;
    return this;
  }

  /** Whether the scale is alpha/√rank; false by default. */
  public LoraConfigBuilder optUseRslora(boolean value) {
    useRslora = value;
    return this;
  }

  /** The rank of the layers that match; patterns given earlier go first. */
  public LoraConfigBuilder optRankPattern(String pattern, int value) {
    rankPattern.put(pattern, value);
    return this;
  }

  /** The alpha of the layers that match; patterns given earlier go first. */
  public LoraConfigBuilder optAlphaPattern(String pattern, double value) {
    alphaPattern.put(pattern, value);
    return this;
  }

  /** Numbers of the layers that get LoRA; all by default. */
  public LoraConfigBuilder optLayersToTransform(List<Integer> value) {
    layersToTransform = value;
    return this;
  }

  /** Names of the list whose numbers those are; any by default. */
  public LoraConfigBuilder optLayersPattern(List<String> value) {
    layersPattern = value;
    return this;
  }

  /** A value to store for PEFT; false by default. */
  public LoraConfigBuilder optFanInFanOut(boolean value) {
    fanInFanOut = value;
    return this;
  }

  /** How A and B start; {@link InitLoraWeights#KAIMING} by default. */
  public LoraConfigBuilder optInitLoraWeights(InitLoraWeights value) {
    initLoraWeights = value;
    return this;
  }

  /**
   * Whether a head that is tied to the embedding follows the adapter's copy of the embedding; false
   * by default, as in PEFT: it then stays the base's.
   */
  public LoraConfigBuilder optEnsureWeightTying(boolean value) {
    ensureWeightTying = value;
    return this;
  }

  /** Where the base model is, and its revision; each may be null. */
  public LoraConfigBuilder optBaseModel(String nameOrPath, String newRevision) {
    baseModelNameOrPath = nameOrPath;
    revision = newRevision;
    return this;
  }

  /** {@code CAUSAL_LM}, the default, or null. */
  public LoraConfigBuilder optTaskType(String value) {
    taskType = value;
    return this;
  }

  /**
   * The configuration.
   *
   * @throws NullPointerException if something required is not set
   * @throws ModelFormatException if a value is out of its range
   */
  public LoraConfig build() {
    return new LoraConfig(
        rank,
        Objects.requireNonNull(alpha, "LoRA: alpha is not set"),
        dropout,
        Objects.requireNonNull(targetModules, "LoRA: the target modules are not set"),
        excludeModules,
        modulesToSave,
        bias,
        useRslora,
        rankPattern,
        alphaPattern,
        layersToTransform,
        layersPattern,
        fanInFanOut,
        initLoraWeights,
        ensureWeightTying,
        baseModelNameOrPath,
        revision,
        taskType);
  }
}
