package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Finds the weights of a module: the adapter's own where it has them, else the base model's. */
final class ModuleResolver {
  private final Map<String, Parameter> base;
  private final LoraAdapter adapter;

  /**
   * @param base weights by name
   * @param adapter null without
   */
  ModuleResolver(Map<String, Parameter> base, LoraAdapter adapter) {
    this.base = base;
    this.adapter = adapter;
  }

  Parameter parameter(String name) {
    Parameter own = adapter == null ? null : adapter.saved(name);
    return own != null ? own : base.get(name);
  }

  /** A linear with its bias, if the model has one, and its low-rank update, if the adapter has. */
  Linear linear(String path) {
    LoraPair pair = pair(path);
    return linear(path, pair == null ? null : LoraUpdate.of(pair));
  }

  private Linear linear(String path, LoraUpdate lora) {
    return new Linear(parameter(path + ".weight"), parameter(path + ".bias"), lora);
  }

  /** Linears that read one input. */
  Projections projections(List<String> paths) {
    List<Linear> plain = paths.stream().map(path -> linear(path, null)).toList();
    List<Integer> updated = new ArrayList<>();
    List<LoraPair> pairs = new ArrayList<>();
    List<String> namesOfA = new ArrayList<>();
    for (int i = 0; i < paths.size(); i++) {
      LoraPair pair = pair(paths.get(i));
      if (pair != null) {
        updated.add(i);
        pairs.add(pair);
        namesOfA.add(pair.a().name());
      }
    }
    LoraUpdate lora =
        pairs.isEmpty() ? null : new LoraUpdate(pairs, adapter.flat().stacked(namesOfA));
    return new Projections(plain, updated, lora);
  }

  /**
   * The output head.
   *
   * @param tied whether the model's head is its embedding
   */
  Linear head(ModuleSpec head, ModuleSpec embedding, boolean tied) {
    Parameter weight = parameter(head.weight());
    if (weight == null && tied) {
      // Without ensure_weight_tying PEFT trains a copy of the embedding and leaves the head alone.
      boolean followsAdapter = adapter == null || adapter.config().ensureWeightTying();
      weight = followsAdapter ? parameter(embedding.weight()) : base.get(embedding.weight());
    }
    LoraPair pair = pair(head.path());
    LoraUpdate lora = pair == null ? null : LoraUpdate.of(pair);
    return new Linear(weight, parameter(head.biasName()), lora);
  }

  private LoraPair pair(String path) {
    return adapter == null ? null : adapter.pair(path);
  }
}
