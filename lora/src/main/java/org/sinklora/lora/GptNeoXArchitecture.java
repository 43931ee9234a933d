package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/** GPT-NeoX: LayerNorm, fused query-key-value projection, GELU. */
record GptNeoXArchitecture(GptNeoXConfig config) implements Architecture {

  @Override
  public ModuleSpec embedding() {
    return new ModuleSpec(
        "gpt_neox.embed_in",
        ModuleSpec.Kind.EMBEDDING,
        config.vocabSize(),
        config.hiddenSize(),
        false);
  }

  @Override
  public ModuleSpec head() {
    return new ModuleSpec(
        "embed_out", ModuleSpec.Kind.HEAD, config.vocabSize(), config.hiddenSize(), false);
  }

  @Override
  public List<ModuleSpec> modules() {
    int hidden = config.hiddenSize();
    int ffn = config.intermediateSize();
    boolean attentionBias = config.attentionBias();
    List<ModuleSpec> modules = new ArrayList<>();
    modules.add(embedding());
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      String layer = layer(i);
      modules.add(ModuleSpec.norm(layer + "input_layernorm", hidden, true));
      modules.add(
          ModuleSpec.linear(
              layer + "attention.query_key_value", 3 * hidden, hidden, attentionBias));
      modules.add(ModuleSpec.linear(layer + "attention.dense", hidden, hidden, attentionBias));
      modules.add(ModuleSpec.norm(layer + "post_attention_layernorm", hidden, true));
      modules.add(ModuleSpec.linear(layer + "mlp.dense_h_to_4h", ffn, hidden, true));
      modules.add(ModuleSpec.linear(layer + "mlp.dense_4h_to_h", hidden, ffn, true));
    }
    modules.add(ModuleSpec.norm("gpt_neox.final_layer_norm", hidden, true));
    modules.add(head());
    return modules;
  }

  /** None: queries, keys and values are one linear. */
  @Override
  public List<List<String>> sharedInputs() {
    return List.of();
  }

  @Override
  public boolean tiesHeadTo(ModuleSpec module) {
    return config.tieWordEmbeddings() && module.kind() == ModuleSpec.Kind.EMBEDDING;
  }

  @Override
  public List<Block> blocks(ModuleResolver modules) {
    return IntStream.range(0, config.numHiddenLayers())
        .<Block>mapToObj(
            i ->
                new GptNeoXBlock(
                    i,
                    config,
                    norm(modules, layer(i) + "input_layernorm"),
                    modules.linear(layer(i) + "attention.query_key_value"),
                    modules.linear(layer(i) + "attention.dense"),
                    norm(modules, layer(i) + "post_attention_layernorm"),
                    modules.linear(layer(i) + "mlp.dense_h_to_4h"),
                    modules.linear(layer(i) + "mlp.dense_4h_to_h")))
        .toList();
  }

  @Override
  public ActivationSizes activationSizes() {
    return GptNeoXBlock.sizes(config);
  }

  @Override
  public Norm finalNorm(ModuleResolver modules) {
    return norm(modules, "gpt_neox.final_layer_norm");
  }

  private Norm norm(ModuleResolver modules, String path) {
    return new LayerNorm(
        modules.parameter(path + ".weight"),
        modules.parameter(path + ".bias"),
        (float) config.layerNormEps());
  }

  private static String layer(int i) {
    return "gpt_neox.layers." + i + ".";
  }

  /** Causal masks and frequencies that older files store as buffers. */
  @Override
  public Predicate<String> ignored() {
    return name ->
        name.endsWith(".attention.bias")
            || name.endsWith(".attention.masked_bias")
            || name.endsWith(".rotary_emb.inv_freq");
  }
}
