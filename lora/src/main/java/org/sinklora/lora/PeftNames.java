package org.sinklora.lora;

/** How PEFT names the tensors of an adapter file. */
final class PeftNames {
  private static final String PREFIX = "base_model.model.";

  private PeftNames() {}

  static String of(String parameter) {
    return PREFIX + parameter;
  }

  /**
   * A trained bias: PEFT has it inside the wrapper of a linear with a low-rank update.
   *
   * @param path of the linear
   */
  static String wrappedBias(String path) {
    return PREFIX + path + ".base_layer.bias";
  }

  /**
   * The frozen weight of a linear with a low-rank update.
   *
   * @param path of the linear
   */
  static String wrappedWeight(String path) {
    return PREFIX + path + ".base_layer.weight";
  }

  /** Whether the tensor belongs to a low-rank update. */
  static boolean isLora(String name) {
    return name.endsWith(".lora_A.weight") || name.endsWith(".lora_B.weight");
  }

  /** The name without the prefix; LongLoRA's {@code trainable_params} have none. */
  static String withoutPrefix(String name) {
    return name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : name;
  }
}
