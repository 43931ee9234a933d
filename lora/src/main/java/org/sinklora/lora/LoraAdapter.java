package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * What fine-tuning adds to a base model: low-rank updates of linears, and copies of modules that
 * are trained whole.
 */
public final class LoraAdapter implements AutoCloseable {
  private final LoraConfig config;
  private final Device device;
  private final FlatParameters flat;
  private final Map<String, LoraPair> pairs = new TreeMap<>();
  private final Map<String, Parameter> saved = new TreeMap<>();
  private final Map<String, Tensor> storedBase;

  /** An adapter of zeros. */
  LoraAdapter(LoraConfig config, CausalLm base, AdapterLayout layout) {
    this.config = config;
    this.device = base.device();
    this.flat = new FlatParameters(device, layout.flat(config, base.architecture()));
    for (ModuleSpec module : layout.lora()) {
      pairs.put(module.path(), pair(module));
    }
    layout.saved().keySet().forEach(name -> saved.put(name, flat.parameter(name)));
    this.storedBase = storedBase(base, pairs);
  }

  /**
   * Weights of the base that PEFT stores with an adapter, though they are not trained: those of a
   * head called lm_head that has a low-rank update.
   */
  private static Map<String, Tensor> storedBase(CausalLm base, Map<String, LoraPair> pairs) {
    ModuleSpec head = base.architecture().head();
    boolean stored = head.path().equals("lm_head") && pairs.containsKey(head.path());
    return stored
        ? Map.of(PeftNames.wrappedWeight(head.path()), baseValue(base, head.weight()))
        : Map.of();
  }

  /**
   * A new adapter, initialised as PEFT does: lora_A uniform (Kaiming, a = √5) or Gaussian, lora_B
   * zero, saved modules equal to the base's.
   *
   * @param seed decides lora_A
   * @throws IllegalArgumentException if the configuration does not fit the model
   */
  public static LoraAdapter create(CausalLm base, LoraConfig config, long seed) {
    checkCanStart(config.initLoraWeights());
    AdapterLayout layout = AdapterLayout.of(config, base.architecture());
    LoraAdapter adapter = new LoraAdapter(config, base, layout);
    for (ModuleSpec module : layout.lora()) {
      adapter.initialise(module, seed);
    }
    adapter.copySavedFrom(base);
    return adapter;
  }

  private void initialise(ModuleSpec module, long seed) {
    int rank = config.rankOf(module.path());
    LoraPair pair = pairs.get(module.path());
    float[] a = new float[Math.multiplyExact(rank, module.in())];
    initialise(a, module, rank, config.initLoraWeights(), seed);
    device.upload(a, 0, pair.a().value());
    if (config.initLoraWeights() == InitLoraWeights.RANDOM) {
      float[] b = new float[Math.multiplyExact(rank, module.out())];
      initialise(b, module, rank, InitLoraWeights.RANDOM, seed + 1);
      device.upload(b, 0, pair.b().value());
    }
  }

  private void copySavedFrom(CausalLm base) {
    saved.forEach((name, parameter) -> device.copy(baseValue(base, name), parameter.value()));
  }

  private static void checkCanStart(InitLoraWeights method) {
    if (method == InitLoraWeights.EVA || method == InitLoraWeights.ORTHOGONAL) {
      throw new IllegalArgumentException(
          "init_lora_weights is %s: such adapters can be loaded, but a new one starts with true, false or gaussian"
              .formatted(method.json()));
    }
  }

  /** Full fine-tuning as the limit case: no low-rank update, every module trained. */
  public static LoraAdapter fullParameters(CausalLm base) {
    LoraConfig config = LoraConfig.savingWhole(modulesOf(base));
    Map<String, long[]> shapes = new LinkedHashMap<>();
    base.base().forEach((name, parameter) -> shapes.put(name, parameter.value().shape()));
    LoraAdapter adapter = new LoraAdapter(config, base, new AdapterLayout(List.of(), shapes));
    adapter.copySavedFrom(base);
    return adapter;
  }

  private static List<String> modulesOf(CausalLm base) {
    return base.architecture().modules().stream()
        .filter(module -> base.base().containsKey(module.weight()))
        .map(ModuleSpec::path)
        .toList();
  }

  /** The base's value of a saved parameter; a tied head's is the embedding. */
  static Tensor baseValue(CausalLm base, String name) {
    Parameter parameter = base.base().get(name);
    boolean tiedHead = parameter == null && name.equals(base.architecture().head().weight());
    return tiedHead
        ? base.base().get(base.architecture().embedding().weight()).value()
        : parameter.value();
  }

  private LoraPair pair(ModuleSpec module) {
    return new LoraPair(
        flat.parameter(LoraPair.nameOfA(module.path())),
        flat.parameter(LoraPair.nameOfB(module.path())),
        config.scaleOf(module.path()),
        (float) config.dropout(),
        module.path().hashCode());
  }

  /** Each module draws from a generator of its own: adding one leaves the others as they were. */
  private static void initialise(
      float[] weights, ModuleSpec module, int rank, InitLoraWeights method, long seed) {
    SplittableRandom random = new SplittableRandom(Pass.mix(seed, module.path().hashCode()));
    boolean gaussian = method == InitLoraWeights.GAUSSIAN;
    double bound = 1 / Math.sqrt(module.in());
    for (int i = 0; i < weights.length; i++) {
      weights[i] =
          (float) (gaussian ? random.nextGaussian() / rank : bound * (2 * random.nextDouble() - 1));
    }
  }

  /**
   * Reads a PEFT adapter folder, or LongLoRA's split form converted to safetensors.
   *
   * @throws ModelFormatException if the adapter was made for another base or uses what is not
   *     supported
   */
  public static LoraAdapter load(Path folder, CausalLm base) throws IOException {
    return PeftReader.read(folder, base);
  }

  /**
   * Writes a PEFT adapter folder; an existing one is replaced only when all is written. The base
   * must still be open if its head has a low-rank update: PEFT stores that head's own weights too.
   *
   * @throws java.nio.file.FileAlreadyExistsException if there is a folder of something else
   */
  public void save(Path folder) throws IOException {
    PeftWriter.write(this, folder);
  }

  /**
   * Writes the low-rank weights alone, for servers that reject {@code modules_to_save}.
   *
   * @param allowLossy whether to write even though modules were trained whole and are left out
   * @throws IllegalStateException if they were and it is not allowed, or there are no others
   */
  public void saveLoraOnly(Path folder, boolean allowLossy) throws IOException {
    if (pairs.isEmpty()) {
      throw new IllegalStateException(
          "The adapter has no low-rank weights: its modules were trained whole; export the merged model");
    }
    if (!saved.isEmpty() && !allowLossy) {
      throw new IllegalStateException(
          "%d parameters besides the low-rank ones were trained (%s, …) and would be lost; export the merged model, or allow the loss"
              .formatted(saved.size(), saved.keySet().iterator().next()));
    }
    PeftWriter.writeLoraOnly(this, folder);
  }

  public LoraConfig config() {
    return config;
  }

  Device device() {
    return device;
  }

  /** The low-rank update of a linear; null if it has none. */
  LoraPair pair(String path) {
    return pairs.get(path);
  }

  /** The adapter's own copy of a parameter of the base; null if it has none. */
  Parameter saved(String name) {
    return saved.get(name);
  }

  Map<String, LoraPair> pairs() {
    return pairs;
  }

  Map<String, Parameter> saved() {
    return saved;
  }

  /** Every parameter of the adapter, in a fixed order. */
  List<Parameter> parameters() {
    return flat.all();
  }

  /** All parameters in one piece of memory. */
  FlatParameters flat() {
    return flat;
  }

  /** Every trained tensor under the name that PEFT gives it. */
  Map<String, Tensor> tensors() {
    Map<String, Tensor> tensors = new TreeMap<>();
    pairs.forEach(
        (path, pair) -> {
          tensors.put(PeftNames.of(pair.a().name()), pair.a().value());
          tensors.put(PeftNames.of(pair.b().name()), pair.b().value());
        });
    saved.forEach((name, parameter) -> tensors.put(storedName(name), parameter.value()));
    return tensors;
  }

  /** Weights of the base that PEFT stores beside the trained ones, under its names for them. */
  Map<String, Tensor> storedBase() {
    return storedBase;
  }

  private String storedName(String name) {
    String path = name.substring(0, name.lastIndexOf('.'));
    boolean wrapped = name.endsWith(".bias") && pairs.containsKey(path);
    return wrapped ? PeftNames.wrappedBias(path) : PeftNames.of(name);
  }

  /** A copy of every trained value, in a fixed order. */
  public float[] values() {
    return flat.read(flat.values());
  }

  /**
   * Sets every trained value.
   *
   * @param values in the order of {@link #values()}
   * @throws IllegalArgumentException if they are those of another adapter
   */
  public void setValues(float[] values) {
    flat.write(values, flat.values());
  }

  /** Every trained parameter, in the order in which its elements lie in {@link #values()}. */
  public List<ParameterRows> parameterRows() {
    return flat.rows();
  }

  /** Number of trained values. */
  public long size() {
    return flat.size();
  }

  /** Frees the adapter's memory. */
  @Override
  public void close() {
    flat.close();
  }
}
