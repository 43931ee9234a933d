package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A module of the architecture that has weights: what Hugging Face calls it and their shapes.
 *
 * @param path e.g. {@code model.layers.0.self_attn.q_proj}
 * @param kind what it does
 * @param out rows of the weight, or the length of a norm
 * @param in columns of the weight; 0 for a norm
 * @param bias whether it has one
 */
record ModuleSpec(String path, Kind kind, int out, int in, boolean bias) {

  enum Kind {
    EMBEDDING,
    LINEAR,
    NORM,
    /** The output head, a linear that {@code all-linear} does not mean. */
    HEAD
  }

  static ModuleSpec linear(String path, int out, int in, boolean bias) {
    return new ModuleSpec(path, Kind.LINEAR, out, in, bias);
  }

  static ModuleSpec norm(String path, int size, boolean bias) {
    return new ModuleSpec(path, Kind.NORM, size, 0, bias);
  }

  String weight() {
    return path + ".weight";
  }

  String biasName() {
    return path + ".bias";
  }

  boolean isLinear() {
    return kind == Kind.LINEAR || kind == Kind.HEAD;
  }

  /** Name and shape of each of its parameters. */
  Map<String, long[]> parameters() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put(weight(), kind == Kind.NORM ? new long[] {out} : new long[] {out, in});
    if (bias) {
      shapes.put(biasName(), new long[] {out});
    }
    return shapes;
  }
}
