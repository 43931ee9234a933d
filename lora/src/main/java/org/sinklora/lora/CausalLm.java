package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.ShardedModelWriter;

/**
 * A causal language model, possibly with an adapter over it.
 *
 * <p>The base weights are never written to; {@link #withAdapter} gives a second model over the same
 * memory, so many adapters share one base.
 */
public final class CausalLm implements AutoCloseable {
  private final Path folder;
  private final ModelConfig config;
  private final Architecture architecture;
  private final Device device;
  private final Quantization quantization;
  private final Map<String, Parameter> base;
  private final LoraAdapter adapter;

  private final Parameter embedding;
  private final List<Block> blocks;
  private final Norm finalNorm;
  private final Linear head;

  private CausalLm(
      Path folder,
      ModelConfig config,
      Device device,
      Quantization quantization,
      Map<String, Parameter> base,
      LoraAdapter adapter) {
    this.folder = folder;
    this.config = config;
    this.architecture = Architecture.of(config);
    this.device = device;
    this.quantization = quantization;
    this.base = base;
    this.adapter = adapter;
    ModuleResolver modules = new ModuleResolver(base, adapter);
    this.embedding = modules.parameter(architecture.embedding().weight());
    this.blocks = architecture.blocks(modules);
    this.finalNorm = architecture.finalNorm(modules);
    this.head =
        modules.head(architecture.head(), architecture.embedding(), config.tieWordEmbeddings());
  }

  /**
   * Reads a Hugging Face model folder: config.json and safetensors, single or sharded, in F32, F16
   * or BF16.
   *
   * @throws ModelFormatException if the architecture is not supported, a setting would change the
   *     results and is not, or the weights do not fit the configuration
   */
  public static CausalLm load(Path folder, Device device) throws IOException {
    return load(folder, ModelConfig.read(folder), device);
  }

  /**
   * The same under another configuration than the folder's, for example with another RoPE scaling.
   */
  public static CausalLm load(Path folder, ModelConfig config, Device device) throws IOException {
    return load(folder, config, device, Quantization.NONE);
  }

  /**
   * The same with the weights of linears in fewer bits, as QLoRA trains adapters over them. {@link
   * #saveMerged} then refuses: it takes a model as it is stored.
   */
  public static CausalLm load(
      Path folder, ModelConfig config, Device device, Quantization quantization)
      throws IOException {
    Map<String, Parameter> base =
        BaseWeights.load(folder, config, Architecture.of(config), device, quantization);
    return new CausalLm(folder, config, device, quantization, base, null);
  }

  /**
   * A model with random weights, made on the device: normal with deviation 0.02, norms one, biases
   * zero. For measurements, which follow from the shape.
   *
   * @param seed decides all weights
   */
  public static CausalLm random(ModelConfig config, Device device, long seed) {
    return random(config, device, seed, Quantization.NONE);
  }

  /** The same with the weights of linears in fewer bits. */
  public static CausalLm random(
      ModelConfig config, Device device, long seed, Quantization quantization) {
    Map<String, Parameter> base =
        RandomWeights.of(Architecture.of(config), device, seed, quantization);
    return new CausalLm(null, config, device, quantization, base, null);
  }

  /**
   * This model with an adapter over it, in the same memory. Closing the result closes neither the
   * base nor the adapter.
   */
  public CausalLm withAdapter(LoraAdapter newAdapter) {
    return new CausalLm(folder, config, device, quantization, base, newAdapter);
  }

  /**
   * This base model, computed by another device of the same memory: threads that each have a device
   * of their own share the weights. Closing the result frees nothing.
   *
   * @throws IllegalStateException if there is an adapter, whose memory is not to be shared
   */
  public CausalLm on(Device other) {
    if (adapter != null) {
      throw new IllegalStateException("Only a base model can be shared, not one with an adapter");
    }
    return new CausalLm(folder, config, other, quantization, base, null);
  }

  /**
   * Writes the model with its adapter merged into the weights: a full Hugging Face folder in the
   * base's own types, sharded at 5 GB, with the tokenizer and this model's configuration.
   *
   * @param target a folder that does not exist yet
   * @throws IllegalStateException if there is no adapter
   */
  public void saveMerged(Path target) throws IOException {
    saveMerged(target, null);
  }

  /**
   * The same in another type.
   *
   * @param dtype F32, F16 or BF16; null for the base's own, tensor by tensor
   */
  public void saveMerged(Path target, Dtype dtype) throws IOException {
    if (adapter == null) {
      throw new IllegalStateException("There is no adapter to merge into " + folder);
    }
    if (folder == null) {
      throw new IllegalStateException(
          "A model with random weights has no folder to take the rest of its files from");
    }
    if (quantization != Quantization.NONE) {
      throw new IllegalStateException(
          "The weights of %s were read in 4 bits, and a merged model would have lost the rest; load it without quantization to merge the adapter"
              .formatted(folder));
    }
    MergedModel.write(this, target, dtype, ShardedModelWriter.DEFAULT_SHARD_BYTES);
  }

  /** Where the base model was read from; null for one with random weights. */
  public Path folder() {
    return folder;
  }

  public ModelConfig config() {
    return config;
  }

  public Device device() {
    return device;
  }

  /** The adapter over the base; null without. */
  public LoraAdapter adapter() {
    return adapter;
  }

  /** Number of weights of the base model. */
  public long parameters() {
    return base.values().stream().mapToLong(parameter -> parameter.value().size()).sum();
  }

  /**
   * A parameter under its Hugging Face name, e.g. {@code model.layers.0.self_attn.q_proj.weight}:
   * the adapter's own copy where it has one, else the base's, the same object for every model over
   * one base. Null if the model has no such parameter.
   */
  public Tensor weight(String name) {
    Parameter parameter = new ModuleResolver(base, adapter).parameter(name);
    return parameter == null ? null : parameter.value();
  }

  /** The output head [vocabulary, hidden]; the embedding where the two are tied. */
  public Tensor headWeight() {
    return head.weight().value();
  }

  /** The adapter's low-rank update of a linear, e.g. {@code lm_head}; null if it has none. */
  public LowRankUpdate lowRankUpdate(String path) {
    LoraPair pair = adapter == null ? null : adapter.pair(path);
    return pair == null
        ? null
        : new LowRankUpdate(pair.a().value(), pair.b().value(), pair.scale());
  }

  /** How the base's linears are kept. */
  public Quantization quantization() {
    return quantization;
  }

  Architecture architecture() {
    return architecture;
  }

  Map<String, Parameter> base() {
    return base;
  }

  Parameter embedding() {
    return embedding;
  }

  List<Block> blocks() {
    return blocks;
  }

  Norm finalNorm() {
    return finalNorm;
  }

  Linear head() {
    return head;
  }

  /** Frees the base weights; models made by {@link #withAdapter} end with it. */
  @Override
  public void close() {
    if (adapter == null) {
      base.values().forEach(Parameter::close);
    }
  }
}
