package org.sinklora.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * The configuration of a causal language model, as {@code config.json} of a Hugging Face model
 * folder has it. An absent field has the default that transformers gives it; a field that is not
 * supported and would change the result is refused by name.
 */
public sealed interface ModelConfig permits LlamaConfig, GptNeoXConfig {

  /** Rows of the embedding. */
  int vocabSize();

  /** Width of the residual stream. */
  int hiddenSize();

  /** Width of the MLP. */
  int intermediateSize();

  /** Number of blocks. */
  int numHiddenLayers();

  /** Number of query heads. */
  int numAttentionHeads();

  /** Number of key and value heads; divides the number of query heads. */
  int numKeyValueHeads();

  /** Components of a head. */
  int headDim();

  /** Context length the model is made for. */
  int maxPositionEmbeddings();

  /**
   * Positions that the model can read: {@code maxPositionEmbeddings}, but of a {@code dynamic}
   * rotary embedding, whose configurations give the trained length there, {@code factor} times
   * that.
   */
  default int contextLength() {
    return rope().scaling() instanceof RopeScaling.DynamicNtk dynamic
        ? (int) Math.min(Integer.MAX_VALUE, Math.round(dynamic.factor() * maxPositionEmbeddings()))
        : maxPositionEmbeddings();
  }

  /** Whether the output head is the embedding. */
  boolean tieWordEmbeddings();

  /** Dropout on attention probabilities while training. */
  double attentionDropout();

  /** Dropout on the output of the sublayers while training. */
  default double hiddenDropout() {
    return 0;
  }

  /**
   * Refuses a model that can be evaluated but not trained.
   *
   * @throws ModelFormatException if it asks for dropout inside the base model
   */
  default void checkTrainable() {
    if (attentionDropout() != 0 || hiddenDropout() != 0) {
      throw new ModelFormatException(
          "The model asks for attention_dropout %s and hidden_dropout %s in training, which are not supported; set them to 0 in its config.json"
              .formatted(attentionDropout(), hiddenDropout()));
    }
  }

  /** The rotary position embedding. */
  RopeConfig rope();

  /** Token a text starts with, if there is one. */
  OptionalInt bosTokenId();

  /** Tokens that end a text; empty if none is given. */
  List<Integer> eosTokenIds();

  /** The whole configuration, unknown fields included; a copy. */
  ObjectNode json();

  /** Rotated components of a head. */
  default int rotaryDim() {
    return rope().rotaryDim(headDim());
  }

  /**
   * The same model for another context length: nothing but {@code max_position_embeddings} and the
   * RoPE fields changes.
   *
   * @throws ModelFormatException if the embedding is {@code dynamic} for another original length
   *     than {@code maxPositionEmbeddings}, which a configuration cannot express
   */
  default ModelConfig withContext(int maxPositionEmbeddings, RopeConfig rope) {
    if (rope.scaling() instanceof RopeScaling.DynamicNtk dynamic
        && dynamic.originalMaxPositionEmbeddings() != maxPositionEmbeddings) {
      throw new ModelFormatException(
          "RoPE of type dynamic starts from max_position_embeddings, so that %d cannot stay the"
                  .formatted(dynamic.originalMaxPositionEmbeddings())
              + " original length of a context of %d; extend it by dynamic, which raises its factor"
                  .formatted(maxPositionEmbeddings));
    }
    ObjectNode changed = json();
    changed.put("max_position_embeddings", maxPositionEmbeddings);
    rope.writeTo(changed);
    return parse(changed, "config.json");
  }

  /** Writes {@code config.json} into a folder. */
  default void write(Path folder) throws IOException {
    Files.writeString(folder.resolve("config.json"), PythonJson.write(json()) + "\n");
  }

  /**
   * Reads {@code config.json} of a model folder.
   *
   * @throws ModelFormatException if it is absent, malformed or asks for what is not supported
   */
  static ModelConfig read(Path folder) {
    return parse(JsonFields.read(folder.resolve("config.json")));
  }

  /**
   * The configuration that a JSON object holds.
   *
   * @param json the object; copied
   * @param source what errors call it
   * @throws ModelFormatException if it is malformed or asks for what is not supported
   */
  static ModelConfig parse(ObjectNode json, String source) {
    return parse(new JsonFields(source, json.deepCopy()));
  }

  private static ModelConfig parse(JsonFields fields) {
    try {
      ModelConfig config =
          switch (ModelFamily.of(fields)) {
            case LLAMA -> LlamaConfig.parse(fields);
            case GPT_NEOX -> GptNeoXConfig.parse(fields);
          };
      UnsupportedFields.check(fields);
      config.rotaryDim();
      return config;
    } catch (ModelFormatException e) {
      throw fields.located(e);
    }
  }
}
