package org.sinklora.lora;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.TextNode;

/** How A and B start. Ways that change the base weights too (PiSSA, OLoRA, …) are not supported. */
public enum InitLoraWeights {
  /** A uniform after Kaiming with a = √5, B zero; {@code true} in the file. */
  KAIMING(BooleanNode.TRUE),
  /** As {@link #KAIMING}, but B is not zero either; {@code false} in the file. */
  RANDOM(BooleanNode.FALSE),
  /** A normal with standard deviation 1/r, B zero. */
  GAUSSIAN(TextNode.valueOf("gaussian")),
  /** A from the activations' principal directions; adapters are read, none are started so. */
  EVA(TextNode.valueOf("eva")),
  /** A and B orthogonal to each other; adapters are read, none are started so. */
  ORTHOGONAL(TextNode.valueOf("orthogonal"));

  private final JsonNode json;

  InitLoraWeights(JsonNode json) {
    this.json = json;
  }

  JsonNode json() {
    return json;
  }
}
