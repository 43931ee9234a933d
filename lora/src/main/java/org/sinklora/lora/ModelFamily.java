package org.sinklora.lora;

import java.util.List;

/** The model families that are implemented. */
enum ModelFamily {
  LLAMA("llama", "LlamaForCausalLM"),
  GPT_NEOX("gpt_neox", "GPTNeoXForCausalLM");

  private final String modelType;
  private final String className;

  ModelFamily(String modelType, String className) {
    this.modelType = modelType;
    this.className = className;
  }

  /** The family that {@code model_type} and {@code architectures} agree on. */
  static ModelFamily of(JsonFields config) {
    String modelType = config.text("model_type", null);
    List<String> classNames = config.texts("architectures");
    for (ModelFamily family : values()) {
      boolean typeFits = modelType == null || modelType.equals(family.modelType);
      boolean classFits = classNames.isEmpty() || classNames.contains(family.className);
      if (typeFits && classFits && !(modelType == null && classNames.isEmpty())) {
        return family;
      }
    }
    throw new ModelFormatException(
        "%s: model_type is %s and architectures is %s; supported are llama (LlamaForCausalLM) and"
                .formatted(config.source(), modelType, classNames)
            + " gpt_neox (GPTNeoXForCausalLM)");
  }
}
