package org.sinklora.lora;

/** The README.md of an adapter folder. */
final class ModelCard {
  private ModelCard() {}

  static String of(LoraAdapter adapter, boolean loraOnly) {
    LoraConfig config = adapter.config();
    StringBuilder card = new StringBuilder();
    card.append("---\n");
    if (config.baseModelNameOrPath() != null) {
      card.append("base_model: ").append(config.baseModelNameOrPath()).append('\n');
    }
    card.append("library_name: peft\ntags:\n- lora\n- sinklora\n---\n\n# LoRA adapter\n\n");
    card.append(
        "Rank %d, alpha %s, %,d trained values; trained with SinkLoRA for the JVM.\n"
            .formatted(config.rank(), config.alpha(), adapter.size()));
    if (!loraOnly && !adapter.saved().isEmpty()) {
      card.append("\nTrained whole, and part of this folder:\n\n");
      adapter.saved().keySet().forEach(name -> card.append("- `").append(name).append("`\n"));
    }
    if (loraOnly && !adapter.saved().isEmpty()) {
      card.append(
          "\n**Incomplete.** These were trained as well and left out, because the servers this"
              + " form is for cannot load them; the model loses what they learned:\n\n");
      adapter.saved().keySet().forEach(name -> card.append("- `").append(name).append("`\n"));
    }
    return card.toString();
  }
}
