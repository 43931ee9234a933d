package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.GptNeoXConfig;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.LowRankUpdate;

/**
 * A model as decoding reads it. Several of them, one an adapter, share the weights of their base.
 *
 * @param shape sizes
 * @param embedding [vocabulary, hidden]
 * @param layers one a block
 * @param finalNorm behind the last layer
 * @param head the output head
 */
record DecoderModel(
    DecoderShape shape,
    Matrix embedding,
    List<DecoderLayer> layers,
    DecoderNorm finalNorm,
    DecoderLinear head) {

  /**
   * @throws IllegalArgumentException if the model is not on the CPU
   */
  static DecoderModel of(CausalLm model, WeightStore store, AdapterWeights adapter) {
    if (!(model.device() instanceof CpuDevice)) {
      throw new IllegalArgumentException(
          "Generation runs on the CPU; load the model on a CpuDevice, not on "
              + model.device().name());
    }
    return new Reader(model, store, adapter).read();
  }

  /** Finds weights under their Hugging Face names. */
  private record Reader(CausalLm model, WeightStore store, AdapterWeights adapter) {

    DecoderModel read() {
      List<DecoderLayer> layers = new ArrayList<>();
      boolean llama = model.config() instanceof LlamaConfig;
      for (int i = 0; i < model.config().numHiddenLayers(); i++) {
        layers.add(llama ? llamaLayer(i) : neoXLayer(i));
      }
      return new DecoderModel(
          DecoderShape.of(model.config()),
          store.matrix(
              model.weight(llama ? "model.embed_tokens.weight" : "gpt_neox.embed_in.weight")),
          List.copyOf(layers),
          norm(llama ? "model.norm" : "gpt_neox.final_layer_norm"),
          linear(llama ? "lm_head" : "embed_out", model.headWeight()));
    }

    private DecoderLayer llamaLayer(int i) {
      String layer = "model.layers." + i + ".";
      return new DecoderLayer(
          norm(layer + "input_layernorm"),
          linears(layer + "self_attn.", "q_proj", "k_proj", "v_proj"),
          linear(layer + "self_attn.o_proj"),
          norm(layer + "post_attention_layernorm"),
          linears(layer + "mlp.", "gate_proj", "up_proj"),
          linear(layer + "mlp.down_proj"));
    }

    private DecoderLayer neoXLayer(int i) {
      String layer = "gpt_neox.layers." + i + ".";
      return new DecoderLayer(
          norm(layer + "input_layernorm"),
          linears(layer, "attention.query_key_value"),
          linear(layer + "attention.dense"),
          norm(layer + "post_attention_layernorm"),
          linears(layer, "mlp.dense_h_to_4h"),
          linear(layer + "mlp.dense_4h_to_h"));
    }

    private List<DecoderLinear> linears(String prefix, String... names) {
      return Arrays.stream(names).map(name -> linear(prefix + name)).toList();
    }

    private DecoderLinear linear(String path) {
      return linear(path, model.weight(path + ".weight"));
    }

    private DecoderLinear linear(String path, Tensor weight) {
      float[] bias = WeightStore.bias(model.weight(path + ".bias"));
      LowRankUpdate update = model.lowRankUpdate(path);
      if (update != null && adapter == AdapterWeights.MERGED) {
        return new DecoderLinear(store.merged(weight, update), bias, null);
      }
      LowRank lowRank = update == null ? null : new LowRank(update);
      return new DecoderLinear(store.matrix(weight), bias, lowRank);
    }

    private DecoderNorm norm(String path) {
      double epsilon =
          model.config() instanceof LlamaConfig llama
              ? llama.rmsNormEps()
              : ((GptNeoXConfig) model.config()).layerNormEps();
      return new DecoderNorm(
          WeightStore.vector(model.weight(path + ".weight")),
          WeightStore.vector(model.weight(path + ".bias")),
          epsilon);
    }
  }
}
