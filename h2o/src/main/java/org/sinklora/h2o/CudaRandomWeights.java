package org.sinklora.h2o;

import java.util.HashMap;
import java.util.Map;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.lora.LlamaConfig;
import org.sinklora.lora.ModelConfig;

/**
 * Weights of a Llama model that are made on the GPU: normally distributed, norms 1. They are as
 * fast as real ones and need no download.
 */
final class CudaRandomWeights implements AutoCloseable {
  private static final float DEVIATION = 0.02f;

  private final CudaDevice device;
  private final LlamaConfig config;
  private final Map<String, Tensor> tensors = new HashMap<>();

  /**
   * @throws IllegalArgumentException if it is another architecture
   */
  CudaRandomWeights(CudaDevice device, ModelConfig config) {
    if (!(config instanceof LlamaConfig llama)) {
      throw new IllegalArgumentException("Random weights are made for Llama models only");
    }
    this.device = device;
    this.config = llama;
  }

  /** The parameter of a Hugging Face name; null for one that the model does not have. */
  Tensor get(String name) {
    long[] shape = shape(name);
    return shape == null ? null : tensors.computeIfAbsent(name, each -> make(each, shape));
  }

  /** The output head. */
  Tensor head() {
    ModulePaths paths = ModulePaths.of(config);
    return get((config.tieWordEmbeddings() ? paths.embedding() : paths.head()) + ".weight");
  }

  private Tensor make(String name, long... shape) {
    Tensor tensor = device.allocateWeights(shape);
    if (shape.length == 1) {
      device.fill(tensor, 1);
    } else {
      device.fillNormal(tensor, DEVIATION, name.hashCode());
    }
    return tensor;
  }

  private long[] shape(String name) {
    if (!name.endsWith(".weight")) {
      return null;
    }
    String path = name.substring(0, name.length() - ".weight".length());
    long hidden = config.hiddenSize();
    long ffn = config.intermediateSize();
    long queries = (long) config.numAttentionHeads() * config.headDim();
    long keys = (long) config.numKeyValueHeads() * config.headDim();
    return switch (path.substring(path.lastIndexOf('.') + 1)) {
      case "embed_tokens", "lm_head" -> new long[] {config.vocabSize(), hidden};
      case "q_proj" -> new long[] {queries, hidden};
      case "k_proj", "v_proj" -> new long[] {keys, hidden};
      case "o_proj" -> new long[] {hidden, queries};
      case "gate_proj", "up_proj" -> new long[] {ffn, hidden};
      case "down_proj" -> new long[] {hidden, ffn};
      default -> new long[] {hidden};
    };
  }

  @Override
  public void close() {
    tensors.values().forEach(Tensor::close);
  }
}
