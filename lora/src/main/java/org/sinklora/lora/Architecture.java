package org.sinklora.lora;

import java.util.List;
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

  /** The layers, their weights taken from {@code modules}. */
  List<Block> blocks(ModuleResolver modules);

  /** The normalisation behind the last layer. */
  Norm finalNorm(ModuleResolver modules);

  /** Names of tensors that model files of this architecture may hold and that change nothing. */
  Predicate<String> ignored();
}
