package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/** What an architecture is made of: its modules under their Hugging Face names. */
sealed interface Architecture permits LlamaArchitecture, GptNeoXArchitecture {

  static Architecture of(ModelConfig config) {
    if (config instanceof LlamaConfig llama) {
      return new LlamaArchitecture(llama);
    }
    return new GptNeoXArchitecture((GptNeoXConfig) config);
  }

  /** Every module with weights, the head included even where it is tied to the embedding. */
  List<ModuleSpec> modules();

  ModuleSpec embedding();

  ModuleSpec head();

  /** Paths of linears that read the same input, a list for each such input. */
  List<List<String>> sharedInputs();

  /** Whether the output head multiplies with this module's weight: a tied embedding. */
  boolean tiesHeadTo(ModuleSpec module);

  /** The layers, their weights taken from {@code modules}. */
  List<Block> blocks(ModuleResolver modules);

  /** Elements of a layer's activations. */
  ActivationSizes activationSizes();

  /** Names and shapes of all weights of a model file: the head's only where it is not tied. */
  default Map<String, long[]> storedShapes() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    boolean tied = tiesHeadTo(embedding());
    for (ModuleSpec module : modules()) {
      if (module.kind() != ModuleSpec.Kind.HEAD || !tied) {
        shapes.putAll(module.parameters());
      }
    }
    return shapes;
  }

  /** The normalisation behind the last layer. */
  Norm finalNorm(ModuleResolver modules);

  /** Names of tensors that model files of this architecture may hold and that change nothing. */
  Predicate<String> ignored();
}
