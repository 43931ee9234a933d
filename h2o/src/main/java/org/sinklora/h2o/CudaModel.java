package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.lora.GptNeoXConfig;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.LowRankUpdate;
import org.sinklora.lora.ModelConfig;

/**
 * A model as decoding on a GPU reads it. Several of them, one an adapter, share the weights of
 * their base; two are equal only if they are the same.
 */
final class CudaModel implements ServedModel {
  private final ModelConfig config;
  private final CudaTensor embedding;
  private final List<CudaLayer> layers;
  private final CudaNorm finalNorm;
  private final CudaLinear head;
  private final List<CudaTensor> own;
  private int users;
  private boolean released;

  private CudaModel(Reader reader) {
    ModulePaths paths = ModulePaths.of(reader.config);
    this.config = reader.config;
    this.embedding = reader.embedding(paths.embedding());
    this.layers = paths.layers().stream().map(reader::layer).toList();
    this.finalNorm = reader.norm(paths.finalNorm());
    this.head = reader.linear(paths.head(), reader.head);
    this.own = reader.own;
  }

  /**
   * Prepares a model.
   *
   * @param tensors a parameter by its name; null for one that the model does not have
   * @param head the output head [vocabulary, hidden]
   * @param updates an adapter's update of a linear by its path; null for none
   * @param isBase whether what is prepared is there for all models, not for this one alone
   */
  static CudaModel of(
      ModelConfig config,
      Function<String, Tensor> tensors,
      Tensor head,
      Function<String, LowRankUpdate> updates,
      CudaWeights weights,
      AdapterWeights adapter,
      boolean isBase) {
    List<CudaTensor> own = isBase ? weights.shared() : new ArrayList<>();
    Reader reader = new Reader(config, tensors, head, updates, weights, adapter, isBase, own);
    try {
      return new CudaModel(reader);
    } catch (RuntimeException | Error e) {
      if (!isBase) {
        own.forEach(CudaTensor::close);
      }
      throw e;
    }
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  /** [vocabulary, hidden], float32 or bfloat16. */
  CudaTensor embedding() {
    return embedding;
  }

  List<CudaLayer> layers() {
    return layers;
  }

  CudaNorm finalNorm() {
    return finalNorm;
  }

  CudaLinear head() {
    return head;
  }

  /** Bytes that a step reads: all weights but the embedding, of which it reads a row. */
  long bytes() {
    long bytes = head.weight().bytes();
    for (CudaLayer layer : layers) {
      bytes += layer.attentionInputs().stream().mapToLong(each -> each.weight().bytes()).sum();
      bytes += layer.attentionOutput().weight().bytes();
      bytes += layer.mlpInputs().stream().mapToLong(each -> each.weight().bytes()).sum();
      bytes += layer.mlpOutput().weight().bytes();
    }
    return bytes;
  }

  /** Another sequence uses the model. */
  void enter() {
    users++;
  }

  /** A sequence has ended. */
  void leave() {
    users--;
    closeIfUnused();
  }

  /** Frees what is the model's own once its last sequence has ended. */
  void release() {
    released = true;
    closeIfUnused();
  }

  private void closeIfUnused() {
    if (released && users == 0) {
      own.forEach(CudaTensor::close);
      own.clear();
    }
  }

  /** Finds weights under their Hugging Face names. */
  private record Reader(
      ModelConfig config,
      Function<String, Tensor> tensors,
      Tensor head,
      Function<String, LowRankUpdate> updates,
      CudaWeights weights,
      AdapterWeights adapter,
      boolean isBase,
      List<CudaTensor> own) {

    CudaLayer layer(ModulePaths.LayerPaths paths) {
      return new CudaLayer(
          norm(paths.inputNorm()),
          linears(paths.attentionInputs()),
          linear(paths.attentionOutput()),
          norm(paths.postAttentionNorm()),
          linears(paths.mlpInputs()),
          linear(paths.mlpOutput()));
    }

    private List<CudaLinear> linears(List<String> paths) {
      return paths.stream().map(this::linear).toList();
    }

    private CudaLinear linear(String path) {
      return linear(path, tensors.apply(path + ".weight"));
    }

    CudaLinear linear(String path, Tensor weight) {
      CudaTensor bias = vector(path + ".bias");
      LowRankUpdate update = updates.apply(path);
      if (update != null && adapter == AdapterWeights.MERGED) {
        return new CudaLinear(weights.merged(weight, update, own), bias, null);
      }
      CudaLowRank lowRank = update == null ? null : weights.lowRank(update, own);
      return new CudaLinear(weights.matrix(weight, isBase, own), bias, lowRank);
    }

    CudaNorm norm(String path) {
      double epsilon =
          config instanceof LlamaConfig llama
              ? llama.rmsNormEps()
              : ((GptNeoXConfig) config).layerNormEps();
      return new CudaNorm(vector(path + ".weight"), vector(path + ".bias"), (float) epsilon);
    }

    CudaTensor embedding(String path) {
      return weights.embedding(tensors.apply(path + ".weight"), isBase, own);
    }

    private CudaTensor vector(String name) {
      Tensor tensor = tensors.apply(name);
      return tensor == null ? null : weights.vector(tensor, isBase, own);
    }
  }
}
