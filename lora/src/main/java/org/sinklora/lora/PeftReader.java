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
    PeftReader reader = new PeftReader(folder, base);
    try {
      return reader.read();
    } catch (IOException | RuntimeException | Error e) {
      reader.allocated.forEach(Tensor::close);
      throw e;
    }
  }

  private LoraAdapter read() throws IOException {
    AdapterLayout layout = AdapterLayout.of(config, base.architecture());
    Map<String, LoraPair> pairs = new TreeMap<>();
    Map<String, Parameter> saved = new TreeMap<>();
    try (ModelWeights weights = ModelWeights.openAdapter(folder)) {
      Set<String> unread = new TreeSet<>(weights.names());
      for (ModuleSpec module : layout.lora()) {
        int rank = config.rankOf(module.path());
        String a = PeftNames.of(module.path() + ".lora_A.weight");
        String b = PeftNames.of(module.path() + ".lora_B.weight");
        Tensor lowA = load(weights, unread, a, new long[] {rank, module.in()});
        Tensor lowB = load(weights, unread, b, new long[] {module.out(), rank});
        pairs.put(module.path(), LoraAdapter.pair(config, module, lowA, lowB));
      }
      layout
          .saved()
          .forEach(
              (name, shape) -> {
                String stored = storedName(weights, name);
                Tensor value = load(weights, unread, stored, shape);
                saved.put(name, new Parameter(name, value));
              });
      if (!unread.isEmpty()) {
        throw new ModelFormatException(
            "%s holds %s, which neither its adapter_config.json nor the base model in %s explains"
                .formatted(folder, unread.iterator().next(), base.folder()));
      }
    }
    if (Files.exists(folder.resolve(LONG_LORA_FILE))) {
      readLongLora(saved);
    }
    return new LoraAdapter(config, base.device(), pairs, saved);
  }

  private static String storedName(ModelWeights weights, String name) {
    String plain = PeftNames.of(name);
    if (!weights.contains(plain) && name.endsWith(".bias")) {
      return PeftNames.wrappedBias(name.substring(0, name.length() - ".bias".length()));
    }
    return plain;
  }

  private void readLongLora(Map<String, Parameter> saved) throws IOException {
    Map<String, long[]> known = new TreeMap<>();
    base.architecture().modules().forEach(module -> known.putAll(module.parameters()));
    try (ModelWeights weights = ModelWeights.openFile(folder.resolve(LONG_LORA_FILE))) {
      for (String stored : weights.names()) {
        String name = PeftNames.withoutPrefix(stored);
        long[] shape = known.get(name);
        if (shape == null) {
          throw new ModelFormatException(
              "%s holds %s, which the base model in %s does not have"
                  .formatted(folder.resolve(LONG_LORA_FILE), stored, base.folder()));
        }
        Tensor value = load(weights, new TreeSet<>(), stored, shape);
        saved.put(name, new Parameter(name, value));
      }
    }
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
    Tensor tensor = BaseWeights.load(folder, weights, name, shape, base.device());
    allocated.add(tensor);
    return tensor;
  }
}
