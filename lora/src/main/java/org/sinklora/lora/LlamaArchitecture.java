package org.sinklora.lora;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.IntStream;

/** Llama: RMSNorm, grouped-query attention, SwiGLU. */
record LlamaArchitecture(LlamaConfig config) implements Architecture {

  @Override
  public ModuleSpec embedding() {
    return new ModuleSpec(
        "model.embed_tokens",
        ModuleSpec.Kind.EMBEDDING,
        config.vocabSize(),
        config.hiddenSize(),
        false);
  }

  @Override
  public ModuleSpec head() {
    return new ModuleSpec(
        "lm_head", ModuleSpec.Kind.HEAD, config.vocabSize(), config.hiddenSize(), false);
  }

  @Override
  public List<ModuleSpec> modules() {
    int hidden = config.hiddenSize();
    int queries = config.numAttentionHeads() * config.headDim();
    int keys = config.numKeyValueHeads() * config.headDim();
    int ffn = config.intermediateSize();
    boolean attentionBias = config.attentionBias();
    boolean mlpBias = config.mlpBias();
    List<ModuleSpec> modules = new ArrayList<>();
    modules.add(embedding());
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      String layer = layer(i);
      modules.add(ModuleSpec.norm(layer + "input_layernorm", hidden, false));
      modules.add(ModuleSpec.linear(layer + "self_attn.q_proj", queries, hidden, attentionBias));
      modules.add(ModuleSpec.linear(layer + "self_attn.k_proj", keys, hidden, attentionBias));
      modules.add(ModuleSpec.linear(layer + "self_attn.v_proj", keys, hidden, attentionBias));
      modules.add(ModuleSpec.linear(layer + "self_attn.o_proj", hidden, queries, attentionBias));
      modules.add(ModuleSpec.norm(layer + "post_attention_layernorm", hidden, false));
      modules.add(ModuleSpec.linear(layer + "mlp.gate_proj", ffn, hidden, mlpBias));
      modules.add(ModuleSpec.linear(layer + "mlp.up_proj", ffn, hidden, mlpBias));
      modules.add(ModuleSpec.linear(layer + "mlp.down_proj", hidden, ffn, mlpBias));
    }
    modules.add(ModuleSpec.norm("model.norm", hidden, false));
    modules.add(head());
    return modules;
  }

  @Override
  public List<List<String>> sharedInputs() {
    List<List<String>> shared = new ArrayList<>();
    for (int i = 0; i < config.numHiddenLayers(); i++) {
      shared.add(queryKeyValue(i));
      shared.add(gateUp(i));
    }
    return shared;
  }

  private static List<String> queryKeyValue(int i) {
    String attention = layer(i) + "self_attn.";
    return List.of(attention + "q_proj", attention + "k_proj", attention + "v_proj");
  }

  private static List<String> gateUp(int i) {
    return List.of(layer(i) + "mlp.gate_proj", layer(i) + "mlp.up_proj");
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
                new LlamaBlock(
                    i,
                    config,
                    norm(modules, layer(i) + "input_layernorm"),
                    modules.projections(queryKeyValue(i)),
                    modules.linear(layer(i) + "self_attn.o_proj"),
                    norm(modules, layer(i) + "post_attention_layernorm"),
                    modules.projections(gateUp(i)),
                    modules.linear(layer(i) + "mlp.down_proj")))
        .toList();
  }

  @Override
  public ActivationSizes activationSizes() {
    return LlamaBlock.sizes(config);
  }

  @Override
  public Norm finalNorm(ModuleResolver modules) {
    return norm(modules, "model.norm");
  }

  private Norm norm(ModuleResolver modules, String path) {
    return new RmsNorm(modules.parameter(path + ".weight"), (float) config.rmsNormEps());
  }

  private static String layer(int i) {
    return "model.layers." + i + ".";
  }

  @Override
  public Predicate<String> ignored() {
    return name -> name.endsWith(".rotary_emb.inv_freq");
  }
}
