package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.lora.CausalLm;

/** Decodes with the bare engine of a model's device, below sampling. */
final class EngineDecoding implements AutoCloseable {
  private final DecodeEngine engine;
  private final ServedModel model;
  private CachePrecision precision = CachePrecision.FLOAT32;
  private RopePositions rope = RopePositions.ORIGINAL;

  EngineDecoding(CausalLm model) {
    this(model, null, AdapterWeights.UNMERGED);
  }

  /**
   * @param weights null for as the device has them
   */
  EngineDecoding(CausalLm model, WeightPrecision weights, AdapterWeights adapterWeights) {
    this.engine = engine(model, weights, adapterWeights);
    this.model = engine.model(model);
  }

  private static DecodeEngine engine(
      CausalLm model, WeightPrecision weights, AdapterWeights adapterWeights) {
    int batch = 4;
    if (model.device() instanceof CudaDevice device) {
      return new CudaEngine(device, model.config(), weights, adapterWeights, batch);
    }
    return new CpuEngine(
        model.config(),
        weights == null ? WeightPrecision.FLOAT32 : weights,
        adapterWeights,
        ((CpuDevice) model.device()).threads(),
        batch);
  }

  EngineDecoding with(CachePrecision newPrecision, RopePositions newRope) {
    precision = newPrecision;
    rope = newRope;
    return this;
  }

  DecodeEngine engine() {
    return engine;
  }

  /** A sequence that has read its prompt, with room for more tokens. */
  CachedSequence read(KvCachePolicy policy, int[] prompt, int moreTokens) {
    CacheSpec spec =
        new CacheSpec(
            policy.resolve(prompt.length),
            precision,
            rope,
            prompt.length,
            (long) prompt.length + moreTokens);
    CachedSequence sequence = engine.newSequence(model, spec, Integer.MAX_VALUE);
    engine.prefill(sequence, prompt, () -> false);
    return sequence;
  }

  void feed(CachedSequence sequence, int token) {
    sequence.feed(token);
    sequence.reserve();
    engine.step(new CachedSequence[] {sequence}, 1);
  }

  float[] logits(int row) {
    int at = row * engine.logitsRow();
    return Arrays.copyOfRange(engine.logits(), at, at + model.config().vocabSize());
  }

  static double largest(float[] values) {
    double largest = 0;
    for (float value : values) {
      largest = Math.max(largest, Math.abs(value));
    }
    return largest;
  }

  @Override
  public void close() {
    engine.close();
  }
}
