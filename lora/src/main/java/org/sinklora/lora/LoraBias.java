package org.sinklora.lora;

import java.util.Locale;

/** Which biases are trained. */
public enum LoraBias {
  /** None. */
  NONE,
  /** Every bias of the model. */
  ALL,
  /** The biases of the layers that have LoRA. */
  LORA_ONLY;

  /** The name in {@code adapter_config.json}. */
  String jsonName() {
    return name().toLowerCase(Locale.ROOT);
  }
}
