package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.lora.CausalLm;

/** Decodes with the bare decoder, below sampling: for tests that look at logits and caches. */
final class Decoding implements AutoCloseable {
  private final DecoderModel model;
  private final Decoder decoder;
  private CachePrecision precision = CachePrecision.FLOAT32;
  private RopePositions rope = RopePositions.ORIGINAL;

  Decoding(CausalLm model) {
    this(DecoderModel.of(model, new WeightStore(WeightPrecision.FLOAT32), AdapterWeights.UNMERGED));
  }

  Decoding(DecoderModel model) {
    this.model = model;
    this.decoder = new Decoder(model.shape(), 2, 4);
  }

  Decoding with(CachePrecision newPrecision, RopePositions newRope) {
    precision = newPrecision;
    rope = newRope;
    return this;
  }

  /** What a greedy generation leaves. */
  record Run(int[] tokens, float[][] logits, Sequence sequence) {}

  Sequence sequence(KvCachePolicy policy, int promptTokens, int maxTokens) {
    KvCachePolicy resolved = policy.resolve(promptTokens);
    CachePlan plan =
        CachePlan.of(
            model.shape().config(),
            resolved,
            precision,
            rope,
            promptTokens,
            promptTokens + maxTokens - 1L);
    return new Sequence(model, new SequenceCache(plan, resolved, rope));
  }

  Run greedy(KvCachePolicy policy, int[] prompt, int count) {
    Sequence sequence = sequence(policy, prompt.length, count);
    decoder.prefill(sequence, prompt, () -> false);
    int[] tokens = new int[count];
    float[][] logits = new float[count][];
    for (int i = 0; i < count; i++) {
      logits[i] = logits(0);
      tokens[i] = argMax(logits[i]);
      if (i < count - 1) {
        feed(sequence, tokens[i]);
      }
    }
    return new Run(tokens, logits, sequence);
  }

  void feed(Sequence sequence, int token) {
    sequence.feed(token);
    sequence.cache().reserve();
    decoder.step(new Sequence[] {sequence}, 1);
  }

  float[] logits(int row) {
    int at = row * decoder.logitsRow();
    return Arrays.copyOfRange(decoder.logits(), at, at + model.shape().config().vocabSize());
  }

  Decoder decoder() {
    return decoder;
  }

  static int argMax(float[] values) {
    int best = 0;
    for (int i = 1; i < values.length; i++) {
      if (values[i] > values[best]) {
        best = i;
      }
    }
    return best;
  }

  @Override
  public void close() {
    decoder.close();
  }
}
