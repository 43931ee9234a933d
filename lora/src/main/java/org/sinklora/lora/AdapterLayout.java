package org.sinklora.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Which modules of a model an adapter touches, by the rules of PEFT.
 *
 * @param lora linears that get a low-rank update
 * @param saved parameters the adapter has a copy of its own of ({@code modules_to_save} and
 *     biases), with their shapes
 */
record AdapterLayout(List<ModuleSpec> lora, Map<String, long[]> saved) {

  /**
   * @throws IllegalArgumentException if the configuration names a module the model does not have,
   *     or asks for a low-rank update of something that is not a linear
   */
  static AdapterLayout of(LoraConfig config, Architecture architecture) {
    List<ModuleSpec> lora = new ArrayList<>();
    Map<String, long[]> saved = new LinkedHashMap<>();
    for (ModuleSpec module : architecture.modules()) {
      if (config.savesWhole(module.path())) {
        saved.putAll(module.parameters());
      } else if (config.targets(module.path())) {
        if (!module.isLinear()) {
          throw new IllegalArgumentException(
              "target_modules matches %s, which is not a linear; train it through modules_to_save"
                  .formatted(module.path()));
        }
        lora.add(module);
      }
    }
    for (ModuleSpec module : architecture.modules()) {
      boolean trained =
          switch (config.bias()) {
            case NONE -> false;
            case ALL -> module.bias();
            case LORA_ONLY -> module.bias() && lora.contains(module);
          };
      if (trained) {
        saved.put(module.biasName(), new long[] {module.out()});
      }
    }
    checkEverythingFound(config, architecture, lora);
    return new AdapterLayout(List.copyOf(lora), saved);
  }

  /**
   * Where all its parameters lie: low-rank matrices by path, A before B, and then the parameters of
   * its own, by name.
   */
  FlatLayout flat(LoraConfig config, Architecture architecture) {
    Map<String, ModuleSpec> low = new TreeMap<>();
    lora.forEach(module -> low.put(module.path(), module));
    Map<String, long[]> shapes = new LinkedHashMap<>();
    low.forEach(
        (path, module) -> {
          int rank = config.rankOf(path);
          shapes.put(LoraPair.nameOfA(path), new long[] {rank, module.in()});
          shapes.put(LoraPair.nameOfB(path), new long[] {module.out(), rank});
        });
    Set<String> operands = new TreeSet<>(shapes.keySet());
    shapes.putAll(new TreeMap<>(saved));
    for (ModuleSpec module : architecture.modules()) {
      boolean multiplies = module.isLinear() || architecture.tiesHeadTo(module);
      if (multiplies && saved.containsKey(module.weight())) {
        operands.add(module.weight());
      }
    }
    List<List<String>> sideBySide =
        architecture.sharedInputs().stream()
            .map(paths -> paths.stream().filter(low::containsKey).map(LoraPair::nameOfA).toList())
            .filter(names -> !names.isEmpty())
            .toList();
    return FlatLayout.of(shapes, sideBySide, operands);
  }

  private static void checkEverythingFound(
      LoraConfig config, Architecture architecture, List<ModuleSpec> lora) {
    List<String> paths = architecture.modules().stream().map(ModuleSpec::path).toList();
    for (String name : config.modulesToSave()) {
      if (paths.stream().noneMatch(path -> path.endsWith(name))) {
        throw new IllegalArgumentException(
            "modules_to_save names %s, but the model has no such module; it has %s"
                .formatted(name, lastNames(paths)));
      }
    }
    if (lora.isEmpty() && !config.targetModules().isEmpty()) {
      throw new IllegalArgumentException(
          "target_modules %s, less what is excluded, saved whole or in another layer, match no module of the model; it has %s"
              .formatted(config.targetModules(), lastNames(paths)));
    }
  }

  private static List<String> lastNames(List<String> paths) {
    return paths.stream()
        .map(path -> path.substring(path.lastIndexOf('.') + 1))
        .distinct()
        .sorted()
        .toList();
  }
}
