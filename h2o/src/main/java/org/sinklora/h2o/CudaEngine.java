package org.sinklora.h2o;

import java.util.function.BooleanSupplier;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaOutOfMemoryException;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelConfig;

/**
 * Decoding on a GPU. The base weights are read where the model has them, which must stay open;
 * adapters are copied. Policies evict on the GPU: the host sends token ids and receives logits.
 */
final class CudaEngine implements DecodeEngine {
  private final CudaDevice device;
  private final CudaShape shape;
  private final int layers;
  private final AdapterWeights adapterWeights;
  private final CudaWeights weights;
  private final CudaPrompt prompt;
  private final CudaStep step;
  private final CudaSequence[] batch;
  private final float[] logits;
  private final int vocabulary;
  private CudaModel base;

  /**
   * @param precision of the weights; null for as the device has them
   * @throws IllegalArgumentException if the device has no such weights, or the kernels cannot read
   *     the model's heads
   */
  CudaEngine(
      CudaDevice device,
      ModelConfig config,
      WeightPrecision precision,
      AdapterWeights adapterWeights,
      int maxBatch) {
    this.device = device;
    this.shape = CudaShape.of(config);
    this.layers = config.numHiddenLayers();
    this.adapterWeights = adapterWeights;
    this.vocabulary = config.vocabSize();
    this.weights = new CudaWeights(device, precision);
    CudaRowKernels kernels = new CudaRowKernels(device);
    this.prompt = new CudaPrompt(device, config, kernels, weights);
    this.step = new CudaStep(device, config, kernels, maxBatch);
    this.batch = new CudaSequence[maxBatch];
    this.logits = new float[Math.multiplyExact(maxBatch, vocabulary)];
  }

  @Override
  public CudaModel model(CausalLm model) {
    boolean first = base == null;
    CudaModel served =
        CudaModel.of(
            model.config(),
            model::weight,
            model.headWeight(),
            model::lowRankUpdate,
            weights,
            adapterWeights,
            first);
    if (first) {
      base = served;
    }
    return served;
  }

  @Override
  public void release(ServedModel model) {
    // Graphs may hold what the model is about to free.
    step.forgetGraphs();
    ((CudaModel) model).release();
  }

  @Override
  public long weightBytes() {
    return base.bytes();
  }

  @Override
  public long plannedBytes(CacheSpec spec) {
    return CudaCache.bytes(shape, layers, spec);
  }

  @Override
  public CudaSequence newSequence(ServedModel model, CacheSpec spec, int limit) {
    if (spec.precision() == CachePrecision.INT8) {
      throw new IllegalArgumentException(
          "A KV cache in int8 is kept on the CPU only; on a GPU take float32 or bfloat16");
    }
    CudaModel served = (CudaModel) model;
    long bytes = plannedBytes(spec);
    long free = device.freeBytes();
    if (bytes > free) {
      throw noRoom(spec, bytes, free, null);
    }
    try {
      CudaCache cache = new CudaCache(device, shape, layers, spec);
      served.enter();
      cache.whenClosed(served::leave);
      return new CudaSequence(served, cache, limit);
    } catch (CudaOutOfMemoryException e) {
      throw noRoom(spec, bytes, free, e);
    }
  }

  private CacheLimitException noRoom(
      CacheSpec spec, long bytes, long free, CudaOutOfMemoryException cause) {
    CacheLimitException refused =
        new CacheLimitException(
            "A KV cache of %s takes %,d bytes, but %,d are free on %s; take a smaller budget, fewer sequences, or cache precision bfloat16"
                .formatted(spec.policy(), bytes, free, device.name()));
    if (cause != null) {
      refused.initCause(cause);
    }
    return refused;
  }

  @Override
  public boolean prefill(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled) {
    boolean complete =
        prompt.read((CudaSequence) sequence, tokens, step.logits().view(0, vocabulary), cancelled);
    if (complete) {
      device.download(step.logits().view(0, vocabulary), logits, 0);
    }
    return complete;
  }

  @Override
  public boolean readOn(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled) {
    CachedSequence[] one = {sequence};
    while (sequence.position() < tokens.length) {
      if (cancelled.getAsBoolean()) {
        return false;
      }
      sequence.feed(tokens[sequence.position()]);
      sequence.reserve();
      step(one, 1);
    }
    return true;
  }

  @Override
  public void step(CachedSequence[] sequences, int count) {
    for (int i = 0; i < count; i++) {
      batch[i] = (CudaSequence) sequences[i];
    }
    step.step(batch, count);
    device.download(step.logits().view(0, (long) count * vocabulary), logits, 0);
  }

  @Override
  public float[] logits() {
    return logits;
  }

  @Override
  public int logitsRow() {
    return vocabulary;
  }

  /** Bytes of the buffers that prompts have needed so far. */
  long promptBytes() {
    return prompt.bytes();
  }

  @Override
  public void close() {
    step.close();
    prompt.close();
    weights.close();
  }
}
