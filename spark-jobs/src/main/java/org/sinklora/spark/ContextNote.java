package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.sinklora.lora.ModelConfig;

/** What the README.md of an exported adapter says of its context, which PEFT's own files do not. */
final class ContextNote {
  private ContextNote() {}

  /**
   * @param served the configuration to serve the adapter with
   * @param plain that of the base as it is
   */
  static String of(ModelConfig served, ModelConfig plain) {
    if (served.maxPositionEmbeddings() == plain.maxPositionEmbeddings()
        && served.rope().equals(plain.rope())) {
      return "%n## Context%n%nThe base's own: %,d tokens.%n".formatted(served.contextLength());
    }
    ObjectNode json = served.json();
    ObjectNode entries = new JsonMapper().createObjectNode();
    for (String field :
        new String[] {"max_position_embeddings", "rope_scaling", "rope_parameters"}) {
      JsonNode value = json.path(field);
      if (!value.isMissingNode() && !value.isNull()) {
        entries.set(field, value);
      }
    }
    return """

    ## Context

    %,d tokens, for positions with RoPE of type %s. PEFT's files have no place for either.
    SinkLoRA reads them from `%s`. For any other program set them in the
    `config.json` of the base, without which its answers get worse and nothing warns:

    ```json
    %s
    ```
    """
        .formatted(
            served.contextLength(),
            served.rope().scaling().ropeType(),
            AdapterFolder.CONFIG_FILE,
            entries.toPrettyString());
  }
}
