package org.sinklora.h2o;

import java.util.function.BooleanSupplier;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelConfig;

/** Decoding on the CPU, from weights that are packed once: models may be closed afterwards. */
final class CpuEngine implements DecodeEngine {
  private final ModelConfig config;
  private final WeightStore store;
  private final AdapterWeights adapterWeights;
  private final Decoder decoder;
  private final Sequence[] batch;

  CpuEngine(
      ModelConfig config,
      WeightPrecision weights,
      AdapterWeights adapterWeights,
      int threads,
      int maxBatch) {
    this.config = config;
    this.store = new WeightStore(weights);
    this.adapterWeights = adapterWeights;
    this.decoder = new Decoder(DecoderShape.of(config), threads, maxBatch);
    this.batch = new Sequence[maxBatch];
  }

  @Override
  public DecoderModel model(CausalLm model) {
    return DecoderModel.of(model, store, adapterWeights);
  }

  @Override
  public void release(ServedModel model) {
    // On the heap: it goes with its last sequence.
  }

  @Override
  public long weightBytes() {
    return store.bytes();
  }

  @Override
  public long plannedBytes(CacheSpec spec) {
    return plan(spec).bytes();
  }

  private CachePlan plan(CacheSpec spec) {
    return CachePlan.of(
        config, spec.policy(), spec.precision(), spec.rope(), spec.promptTokens(), spec.tokens());
  }

  @Override
  public Sequence newSequence(ServedModel model, CacheSpec spec, int limit) {
    CachePlan plan = plan(spec);
    try {
      return new Sequence(
          (DecoderModel) model, new SequenceCache(plan, spec.policy(), spec.rope()), limit);
    } catch (OutOfMemoryError e) {
      throw new CacheLimitException(
          "A KV cache of %s takes %,d bytes, which the heap of %,d bytes has no room for; take a smaller budget, %s, or a larger -Xmx"
              .formatted(
                  spec.policy(),
                  plan.bytes(),
                  Runtime.getRuntime().maxMemory(),
                  "cache precision bfloat16 or int8"));
    }
  }

  @Override
  public boolean prefill(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled) {
    return decoder.prefill((Sequence) sequence, tokens, cancelled);
  }

  @Override
  public boolean readOn(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled) {
    return decoder.readOn((Sequence) sequence, tokens, cancelled);
  }

  @Override
  public void step(CachedSequence[] sequences, int count) {
    for (int i = 0; i < count; i++) {
      batch[i] = (Sequence) sequences[i];
    }
    decoder.step(batch, count);
  }

  @Override
  public float[] logits() {
    return decoder.logits();
  }

  @Override
  public int logitsRow() {
    return decoder.logitsRow();
  }

  @Override
  public void close() {
    decoder.close();
  }
}
