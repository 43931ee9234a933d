package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.Set;

/** {@link RopeConfig} in the two forms that Hugging Face configurations have had. */
final class RopeJson {
  private static final String PARAMETERS = "rope_parameters";
  private static final String SCALING = "rope_scaling";

  /** Fields of the supported types; a type ignores those of the others, as transformers does. */
  private static final Set<String> KNOWN =
      Set.of(
          "rope_type",
          "type",
          "rope_theta",
          "partial_rotary_factor",
          "factor",
          "original_max_position_embeddings",
          "attention_factor",
          "beta_fast",
          "beta_slow",
          "mscale",
          "mscale_all_dim",
          "truncate",
          "low_freq_factor",
          "high_freq_factor",
          "finetuned");

  private RopeJson() {}

  /**
   * @param config the model's configuration
   * @param maxPositionEmbeddings its context length
   * @param thetaField an older name of {@code rope_theta}
   * @param partialField an older name of {@code partial_rotary_factor}
   * @param defaultPartial its default
   */
  static RopeConfig read(
      JsonFields config,
      int maxPositionEmbeddings,
      String thetaField,
      String partialField,
      double defaultPartial) {
    // transformers 5 takes rope_scaling where both are present, as does everything older.
    JsonFields rope = config.object(SCALING);
    if (rope.json().isEmpty()) {
      rope = config.object(PARAMETERS);
    }
    for (Map.Entry<String, ?> field : rope.json().properties()) {
      if (rope.has(field.getKey()) && !KNOWN.contains(field.getKey())) {
        throw rope.unsupported(field.getKey(), "known are " + KNOWN.stream().sorted().toList());
      }
    }
    double theta =
        rope.number("rope_theta", config.number("rope_theta", config.number(thetaField, 10_000)));
    double partial =
        rope.number(
            "partial_rotary_factor",
            config.number("partial_rotary_factor", config.number(partialField, defaultPartial)));
    int original =
        rope.positiveInt(
            "original_max_position_embeddings",
            config.positiveInt("original_max_position_embeddings", maxPositionEmbeddings));
    return new RopeConfig(theta, partial, scaling(rope, maxPositionEmbeddings, original));
  }

  private static RopeScaling scaling(JsonFields rope, int maxPositions, int original) {
    String type = rope.text("rope_type", rope.text("type", "default"));
    return switch (type) {
      case "default" -> new RopeScaling.None();
      case "linear" -> new RopeScaling.Linear(required(rope, "factor"));
      // This type has no length of its own: it starts from the model's.
      case "dynamic" -> new RopeScaling.DynamicNtk(required(rope, "factor"), maxPositions);
      case "llama3" ->
          new RopeScaling.Llama3(
              required(rope, "factor"),
              required(rope, "low_freq_factor"),
              required(rope, "high_freq_factor"),
              original);
      case "yarn" -> yarn(rope, maxPositions, original);
      default ->
          throw rope.unsupported(
              rope.has("rope_type") ? "rope_type" : "type",
              "supported are default, linear, dynamic, yarn, llama3");
    };
  }

  private static YarnScaling yarn(JsonFields rope, int maxPositions, int original) {
    double factor = rope.number("factor", (double) maxPositions / original);
    double mscale = rope.number("mscale", 0);
    double mscaleAllDim = rope.number("mscale_all_dim", 0);
    double attention =
        mscale != 0 && mscaleAllDim != 0
            ? YarnScaling.attentionFactor(factor, mscale)
                / YarnScaling.attentionFactor(factor, mscaleAllDim)
            : YarnScaling.attentionFactor(factor, 1);
    return new YarnScaling(
        factor,
        original,
        rope.number("beta_fast", 32),
        rope.number("beta_slow", 1),
        rope.flag("truncate", true),
        rope.number("attention_factor", attention));
  }

  private static double required(JsonFields rope, String field) {
    if (!rope.has(field)) {
      throw rope.bad(field, "a number, which this rope_type needs");
    }
    return rope.number(field, 0);
  }

  static void write(RopeConfig rope, ObjectNode config) {
    boolean gptNeoX = config.path("model_type").asText().equals("gpt_neox");
    // GPT-NeoX rotates a quarter of a head where nothing is said, so a whole head has to be said.
    boolean sayPartial = gptNeoX || rope.partialRotaryFactor() != 1;
    if (config.hasNonNull(PARAMETERS)) {
      config.remove(SCALING);
      ObjectNode parameters = config.putObject(PARAMETERS);
      if (sayPartial) {
        parameters.put("partial_rotary_factor", rope.partialRotaryFactor());
      }
      parameters.put("rope_theta", rope.theta()).put("rope_type", rope.scaling().ropeType());
      putScaling(rope.scaling(), parameters);
      return;
    }
    boolean oldTheta = gptNeoX && !config.hasNonNull("rope_theta");
    config.put(oldTheta ? "rotary_emb_base" : "rope_theta", rope.theta());
    if (sayPartial || config.hasNonNull("partial_rotary_factor")) {
      boolean oldPartial = gptNeoX && !config.hasNonNull("partial_rotary_factor");
      config.put(oldPartial ? "rotary_pct" : "partial_rotary_factor", rope.partialRotaryFactor());
    }
    if (rope.scaling() instanceof RopeScaling.None) {
      config.putNull(SCALING);
      return;
    }
    // Readers before transformers 4.43 know the types they have under "type" alone.
    boolean old =
        rope.scaling() instanceof RopeScaling.Linear
            || rope.scaling() instanceof RopeScaling.DynamicNtk;
    boolean typeKey = old && !config.path(SCALING).has("rope_type");
    ObjectNode scaling = config.putObject(SCALING);
    scaling.put(typeKey ? "type" : "rope_type", rope.scaling().ropeType());
    putScaling(rope.scaling(), scaling);
  }

  private static void putScaling(RopeScaling scaling, ObjectNode node) {
    if (scaling instanceof RopeScaling.Linear linear) {
      node.put("factor", linear.factor());
    } else if (scaling instanceof RopeScaling.DynamicNtk dynamic) {
      node.put("factor", dynamic.factor());
    } else if (scaling instanceof RopeScaling.Llama3 llama3) {
      node.put("factor", llama3.factor())
          .put("low_freq_factor", llama3.lowFreqFactor())
          .put("high_freq_factor", llama3.highFreqFactor())
          .put("original_max_position_embeddings", llama3.originalMaxPositionEmbeddings());
    } else if (scaling instanceof YarnScaling yarn) {
      node.put("factor", yarn.factor())
          .put("original_max_position_embeddings", yarn.originalMaxPositionEmbeddings())
          .put("attention_factor", yarn.attentionFactor())
          .put("beta_fast", yarn.betaFast())
          .put("beta_slow", yarn.betaSlow())
          .put("truncate", yarn.truncate());
    }
  }
}
