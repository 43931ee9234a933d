package org.sinklora.lora;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;
import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;

/**
 * A kind of model with a kind of adapter.
 *
 * @param name what tests call it
 * @param base the model
 * @param adapter its settings; null for full-parameter training
 */
record Variant(String name, TinyModel base, LoraConfig adapter) {
  private static final String[] ATTENTION = {"q_proj", "k_proj", "v_proj", "o_proj"};
  private static final String[] MLP = {"gate_proj", "up_proj", "down_proj"};
  private static final String[] NEOX = {"query_key_value", "dense"};

  static Stream<Variant> all() {
    String tied = "\"tie_word_embeddings\": true";
    String gqa = "\"num_key_value_heads\": 2, \"head_dim\": 8";
    String biases = gqa + ", \"attention_bias\": true, \"mlp_bias\": true";
    String sequential = "\"use_parallel_residual\": false";
    List<Variant> variants = new ArrayList<>();
    variants.add(llama("lora on attention", "", c -> c, ATTENTION));
    variants.add(llama("grouped queries, head_dim, MLP", gqa, c -> c, MLP));
    variants.add(
        llama("all biases", biases, c -> c.optBias(LoraBias.ALL), "q_proj", "o_proj", "down_proj"));
    variants.add(
        llama("biases of lora", biases, c -> c.optBias(LoraBias.LORA_ONLY), "k_proj", "up_proj"));
    variants.add(llama("tied", tied, c -> c, ATTENTION));
    variants.add(
        llama(
            "tied, embedding trained, head left", tied, c -> saving(c, "embed_tokens"), "q_proj"));
    variants.add(
        llama(
            "tied, embedding and head trained as one",
            tied,
            c -> saving(c, "embed_tokens").optEnsureWeightTying(true),
            "q_proj"));
    variants.add(llama("tied, head trained", tied, c -> saving(c, "lm_head"), "v_proj"));
    variants.add(llama("tied, lora on the head", tied, c -> c, "q_proj", "lm_head"));
    variants.add(llama("lora on the head", gqa, c -> c, "v_proj", "lm_head"));
    variants.add(
        llama(
            "embedding, norms and head saved",
            gqa,
            c -> saving(c, "embed_tokens", "norm", "lm_head"),
            ATTENTION));
    variants.add(
        new Variant(
            "all-linear, rslora, rank and alpha patterns",
            TinyModel.llama(gqa),
            settings()
                .setTargetModules(ModuleSelector.allLinear())
                .optUseRslora(true)
                .optRankPattern("q_proj", 1)
                .optRankPattern("layers.1.mlp.down_proj", 5)
                .optAlphaPattern("down_proj", 3)
                .build()));
    variants.add(
        new Variant(
            "regex, other RoPE",
            TinyModel.llama(
                "\"rope_scaling\": {\"rope_type\": \"yarn\", \"factor\": 4.0,"
                    + " \"original_max_position_embeddings\": 16}"),
            settings()
                .setTargetModules(ModuleSelector.matching(".*\\.1\\..*(q|gate)_proj"))
                .build()));
    variants.add(
        llama("one layer", gqa, c -> c.optLayersToTransform(List.of(1)), "k_proj", "down_proj"));
    variants.add(neox("neox", "", c -> c, NEOX));
    variants.add(neox("neox sequential", sequential, c -> c, "dense_h_to_4h", "dense_4h_to_h"));
    variants.add(neox("neox, all biases", "", c -> c.optBias(LoraBias.ALL), NEOX));
    variants.add(
        neox("neox, biases of lora", sequential, c -> c.optBias(LoraBias.LORA_ONLY), "dense"));
    variants.add(
        neox(
            "neox without attention bias, tanh",
            "\"attention_bias\": false, \"hidden_act\": \"gelu_new\", \"rotary_pct\": 0.5",
            c -> saving(c, "embed_out", "layernorm", "embed_in"),
            NEOX));
    variants.add(neox("neox tied", tied + ", " + sequential, c -> c, NEOX));
    variants.add(new Variant("full parameters, tied", TinyModel.llama(tied + ", " + biases), null));
    variants.add(new Variant("full parameters, neox", TinyModel.gptNeoX(sequential), null));
    return variants.stream();
  }

  static LoraConfigBuilder settings() {
    return LoraConfig.builder().setRank(3).setAlpha(6);
  }

  private static LoraConfigBuilder saving(LoraConfigBuilder config, String... modules) {
    return config.optModulesToSave(Arrays.asList(modules));
  }

  static Variant llama(
      String name, String fields, UnaryOperator<LoraConfigBuilder> change, String... targets) {
    LoraConfig config = change.apply(settings().setTargetModules(targets)).build();
    return new Variant(name, TinyModel.llama(fields), config);
  }

  static Variant neox(
      String name, String fields, UnaryOperator<LoraConfigBuilder> change, String... targets) {
    LoraConfig config = change.apply(settings().setTargetModules(targets)).build();
    return new Variant(name, TinyModel.gptNeoX(fields), config);
  }

  static Variant named(String name) {
    return all().filter(variant -> variant.name.equals(name)).findFirst().orElseThrow();
  }

  /** An adapter in which nothing is zero or equal to the base. */
  LoraAdapter randomAdapter(CausalLm model) {
    LoraAdapter made =
        adapter == null ? LoraAdapter.fullParameters(model) : LoraAdapter.create(model, adapter, 5);
    SplittableRandom random = new SplittableRandom(6);
    for (Parameter parameter : made.parameters()) {
      float[] values = valuesOf(model.device(), parameter);
      for (int i = 0; i < values.length; i++) {
        values[i] += (float) (0.1 * random.nextGaussian());
      }
      model.device().upload(values, 0, parameter.value());
    }
    return made;
  }

  static float[] valuesOf(Device device, Parameter parameter) {
    float[] values = new float[Math.toIntExact(parameter.value().size())];
    device.download(parameter.value(), values, 0);
    return values;
  }

  /** Every parameter of an adapter, for {@link PlainModel#with}. */
  static Map<String, double[]> parameters(LoraAdapter adapter) {
    Map<String, double[]> parameters = new TreeMap<>();
    for (Parameter parameter : adapter.parameters()) {
      parameters.put(parameter.name(), PlainModel.doubles(valuesOf(adapter.device(), parameter)));
    }
    return parameters;
  }

  /** Documents of these lengths of random tokens, a third of which bear no loss. */
  static TokenBatch batch(long seed, int... lengths) {
    Documents documents = Documents.ofLengths(lengths);
    SplittableRandom random = new SplittableRandom(seed);
    int[] ids = random.ints(documents.tokens(), 0, TinyModel.VOCABULARY).toArray();
    int[] labels = ids.clone();
    for (int i = 0; i < labels.length; i++) {
      if (random.nextInt(3) == 0) {
        labels[i] = Device.IGNORED;
      }
    }
    return new TokenBatch(ids, labels, documents, 0);
  }

  @Override
  public String toString() {
    return name;
  }
}
