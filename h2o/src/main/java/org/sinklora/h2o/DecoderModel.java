package org.sinklora.h2o;

import java.util.List;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.GptNeoXConfig;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.LowRankUpdate;
import org.sinklora.lora.ModelConfig;

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
    DecoderLinear head)
    implements ServedModel {

  @Override
  public ModelConfig config() {
    return shape.config();
  }

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
      ModulePaths paths = ModulePaths.of(model.config());
      return new DecoderModel(
          DecoderShape.of(model.config()),
          store.matrix(model.weight(paths.embedding() + ".weight")),
          paths.layers().stream().map(this::layer).toList(),
          norm(paths.finalNorm()),
          linear(paths.head(), model.headWeight()));
    }

    private DecoderLayer layer(ModulePaths.LayerPaths paths) {
      return new DecoderLayer(
          norm(paths.inputNorm()),
          linears(paths.attentionInputs()),
          linear(paths.attentionOutput()),
          norm(paths.postAttentionNorm()),
          linears(paths.mlpInputs()),
          linear(paths.mlpOutput()));
    }

    private List<DecoderLinear> linears(List<String> paths) {
      return paths.stream().map(this::linear).toList();
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
