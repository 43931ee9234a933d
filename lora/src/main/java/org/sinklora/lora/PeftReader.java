package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.ModelWeights;

/** Reads adapter folders. */
final class PeftReader {
  /** Embeddings and norms as LongLoRA stores them beside the low-rank weights. */
  private static final String LONG_LORA_FILE = "trainable_params.safetensors";

  private final Path folder;
  private final CausalLm base;
  private final LoraConfig config;
  private final List<Tensor> allocated = new ArrayList<>();

  private PeftReader(Path folder, CausalLm base) throws IOException {
    this.folder = folder;
    this.base = base;
    this.config = LoraConfig.read(folder);
  }

  static LoraAdapter read(Path folder, CausalLm base) throws IOException {
    AtomicFolder.recover(folder);
    PeftReader reader = new PeftReader(folder, base);
    try {
      return reader.read();
    } finally {
      reader.allocated.forEach(Tensor::close);
    }
  }

  private LoraAdapter read() throws IOException {
    AdapterLayout layout = layout();
    Map<String, Tensor> pairs = new TreeMap<>();
    Map<String, Tensor> saved = new TreeMap<>();
    try (ModelWeights weights = ModelWeights.openAdapter(folder)) {
      Set<String> unread = new TreeSet<>(weights.names());
      for (ModuleSpec module : layout.lora()) {
        int rank = config.rankOf(module.path());
        String a = PeftNames.of(LoraPair.nameOfA(module.path()));
        String b = PeftNames.of(LoraPair.nameOfB(module.path()));
        long[] shapeA = {rank, module.in()};
        long[] shapeB = {module.out(), rank};
        pairs.put(LoraPair.nameOfA(module.path()), load(weights, unread, a, shapeA));
        pairs.put(LoraPair.nameOfB(module.path()), load(weights, unread, b, shapeB));
      }
      layout
          .saved()
          .forEach(
              (name, shape) -> {
                String stored = storedName(weights, name);
                boolean forgotten = isBiasOfLora(layout, name) && !weights.contains(stored);
                Tensor value = forgotten ? copyOfBase(name) : load(weights, unread, stored, shape);
                saved.put(name, value);
              });
      checkBaseWeights(weights, unread, layout);
      if (!unread.isEmpty()) {
        throw new ModelFormatException(
            "%s holds %s, which neither its adapter_config.json nor the base model in %s explains"
                .formatted(folder, unread.iterator().next(), base.folder()));
      }
    }
    LoraConfig whole = config;
    if (Files.exists(folder.resolve(LONG_LORA_FILE))) {
      whole = readLongLora(saved);
    }
    return adapter(whole, layout, pairs, saved);
  }

  private LoraAdapter adapter(
      LoraConfig whole,
      AdapterLayout layout,
      Map<String, Tensor> pairs,
      Map<String, Tensor> saved) {
    Map<String, long[]> shapes = new TreeMap<>();
    saved.forEach((name, value) -> shapes.put(name, value.shape()));
    LoraAdapter adapter = new LoraAdapter(whole, base, new AdapterLayout(layout.lora(), shapes));
    for (Parameter parameter : adapter.parameters()) {
      Tensor value = pairs.getOrDefault(parameter.name(), saved.get(parameter.name()));
      base.device().copy(value, parameter.value());
    }
    return adapter;
  }

  private AdapterLayout layout() {
    try {
      return AdapterLayout.of(config, base.architecture());
    } catch (IllegalArgumentException e) {
      throw new ModelFormatException(
          "%s does not fit the base model in %s: %s"
              .formatted(folder, base.folder(), e.getMessage()),
          e);
    }
  }

  /** PEFT trains the biases of {@code lora_only} and does not store them: they are the base's. */
  private boolean isBiasOfLora(AdapterLayout layout, String name) {
    return config.bias() == LoraBias.LORA_ONLY
        && layout.lora().stream().anyMatch(module -> name.equals(module.biasName()));
  }

  private Tensor copyOfBase(String name) {
    Tensor value = LoraAdapter.baseValue(base, name);
    Tensor copy = base.device().allocate(value.shape());
    allocated.add(copy);
    base.device().copy(value, copy);
    return copy;
  }

  /** Weights of the base that PEFT stores with an adapter; they must be those of our base. */
  private void checkBaseWeights(ModelWeights weights, Set<String> unread, AdapterLayout layout) {
    ModuleSpec head = base.architecture().head();
    String wrapped = PeftNames.wrappedWeight(head.path());
    if (layout.lora().contains(head) && unread.contains(wrapped)) {
      Tensor value = LoraAdapter.baseValue(base, head.weight());
      Tensor stored = load(weights, unread, wrapped, value.shape());
      checkSame(wrapped, stored, value);
      stored.close();
    }
    String embedding = base.architecture().embedding().weight();
    boolean tied = base.config().tieWordEmbeddings() && config.ensureWeightTying();
    if (tied && layout.saved().containsKey(embedding)) {
      // The same weights as the embedding's, under their second name.
      unread.remove(PeftNames.of(head.weight()));
    }
  }

  private void checkSame(String name, Tensor stored, Tensor value) {
    Device device = base.device();
    device.axpy(-1, value, stored);
    // The base may have been used in another type when the adapter was made: BF16 has 8 bits.
    double difference = Math.sqrt(device.sumOfSquares(stored));
    double norm = Math.sqrt(device.sumOfSquares(value));
    if (difference > norm / 256) {
      throw new ModelFormatException(
          "%s: %s differs from the base model in %s: the adapter was made for another one, or for one with a changed head; merge it there"
              .formatted(folder, name, base.folder()));
    }
  }

  private static String storedName(ModelWeights weights, String name) {
    String plain = PeftNames.of(name);
    if (!weights.contains(plain) && name.endsWith(".bias")) {
      return PeftNames.wrappedBias(name.substring(0, name.length() - ".bias".length()));
    }
    return plain;
  }

  /**
   * Reads the parameters that were trained whole.
   *
   * @return the configuration with their modules in {@code modules_to_save}
   */
  private LoraConfig readLongLora(Map<String, Tensor> saved) throws IOException {
    Path file = folder.resolve(LONG_LORA_FILE);
    Map<String, ModuleSpec> owners = new TreeMap<>();
    for (ModuleSpec module : base.architecture().modules()) {
      module.parameters().keySet().forEach(name -> owners.put(name, module));
    }
    Map<String, ModuleSpec> trained = new TreeMap<>();
    try (ModelWeights weights = ModelWeights.openFile(file)) {
      for (String stored : weights.names()) {
        String name = PeftNames.withoutPrefix(stored);
        ModuleSpec module = owners.get(name);
        if (module == null || config.targets(module.path())) {
          throw new ModelFormatException(
              "%s holds %s, which the base model in %s does not have, or which has a low-rank update"
                  .formatted(file, stored, base.folder()));
        }
        long[] shape = module.parameters().get(name);
        Tensor value = load(weights, new TreeSet<>(), stored, shape);
        saved.put(name, value);
        trained.put(module.path(), module);
      }
    }
    for (ModuleSpec module : trained.values()) {
      if (!saved.keySet().containsAll(module.parameters().keySet())) {
        throw new ModelFormatException(
            "%s holds a part of %s; expected all of %s"
                .formatted(file, module.path(), module.parameters().keySet()));
      }
    }
    return savingToo(trained.keySet());
  }

  private LoraConfig savingToo(Set<String> trained) {
    Set<String> names = new TreeSet<>(config.modulesToSave());
    List<String> paths = base.architecture().modules().stream().map(ModuleSpec::path).toList();
    for (String path : trained) {
      // A short name stands for every module whose path ends in it.
      String shortName = path.substring(path.lastIndexOf('.') + 1);
      boolean all = paths.stream().filter(p -> p.endsWith(shortName)).allMatch(trained::contains);
      names.add(all ? shortName : path);
    }
    // LongLoRA trains the embedding in place, so that a head tied to it follows.
    boolean tied =
        base.config().tieWordEmbeddings()
            && trained.contains(base.architecture().embedding().path());
    return new LoraConfigBuilder(config)
        .optModulesToSave(List.copyOf(names))
        .optEnsureWeightTying(tied || config.ensureWeightTying())
        .build();
  }

  private Tensor load(ModelWeights weights, Set<String> unread, String name, long[] shape) {
    unread.remove(name);
    if (!weights.contains(name)) {
      throw new ModelFormatException(
          "%s has no tensor %s: its adapter_config.json, or the base model in %s, is another one's"
              .formatted(folder, name, base.folder()));
    }
    if (!weights.info(name).hasShape(shape)) {
      throw new ModelFormatException(
          "%s: tensor %s has shape %s, but the base model in %s and the adapter's rank ask for %s"
              .formatted(
                  folder, name, weights.info(name).shape(), base.folder(), Arrays.toString(shape)));
    }
    Tensor tensor =
        BaseWeights.load(folder, weights, name, base.device().allocate(shape), base.device());
    allocated.add(tensor);
    return tensor;
  }
}
