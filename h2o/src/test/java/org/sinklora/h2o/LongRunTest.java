package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/** A bounded cache over a long generation: memory and time a token stay what they were. */
class LongRunTest {
  private static final int TOKENS = 100_000;
  private static final int WINDOW = 1_000;

  private static Path tinyModel() {
    return Fixture.ours().resolve("llama-gqa-embed-norm").resolve("base");
  }

  @Tag("long")
  @ParameterizedTest
  @ValueSource(strings = {"h2o:heavy=32,recent=32", "streaming:sinks=4,recent=60"})
  void memoryAndTimeAreFlatOverAHundredThousandTokens(String text) throws IOException {
    ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(tinyModel(), device)) {
      KvCachePolicy policy = KvCachePolicy.parse(text);
      DecoderModel decoderModel =
          DecoderModel.of(model, new WeightStore(WeightPrecision.FLOAT32), AdapterWeights.UNMERGED);
      int vocabulary = model.config().vocabSize();
      CachePlan plan =
          CachePlan.of(
              model.config(),
              policy,
              CachePrecision.FLOAT32,
              RopePositions.ORIGINAL,
              100,
              100L + TOKENS);
      try (Decoder decoder = new Decoder(decoderModel.shape(), 1, 1)) {
        SequenceCache cache = new SequenceCache(plan, policy, RopePositions.ORIGINAL);
        Sequence sequence = new Sequence(decoderModel, cache);
        decoder.prefill(sequence, new Random(1).ints(100, 0, vocabulary).toArray(), () -> false);
        assertEquals(plan.bytes(), cache.residentBytes());
        Sequence[] batch = {sequence};
        Random random = new Random(2);
        // The processor's time, not the wall's: other programs' share of the machine is not ours.
        long[] nanos = new long[TOKENS / WINDOW];
        long allocated = 0;
        for (int window = 0; window < nanos.length; window++) {
          long bytes = threads.getCurrentThreadAllocatedBytes();
          long start = threads.getCurrentThreadCpuTime();
          for (int i = 0; i < WINDOW; i++) {
            sequence.feed(random.nextInt(vocabulary));
            sequence.reserve();
            decoder.step(batch, 1);
          }
          nanos[window] = threads.getCurrentThreadCpuTime() - start;
          allocated = threads.getCurrentThreadAllocatedBytes() - bytes;
        }
        assertEquals(plan.bytes(), cache.residentBytes());
        assertEquals(100 + TOKENS, sequence.position());
        assertTrue(allocated < WINDOW, allocated + " bytes in the last 1,000 tokens");
        double first = median(Arrays.copyOfRange(nanos, 10, 30));
        double last = median(Arrays.copyOfRange(nanos, nanos.length - 20, nanos.length));
        System.out.printf("%s: %.1f µs a token, then %.1f%n", text, first / 1e6, last / 1e6);
        assertTrue(last < 1.1 * first, "%.0f ns grew to %.0f".formatted(first, last));
      }
    }
  }

  /** Of windows of a thousand tokens: neighbours on the machine disturb some of them. */
  private static double median(long[] nanos) {
    Arrays.sort(nanos);
    return nanos[nanos.length / 2];
  }

  @Test
  void keysAtTheirPlaceInTheCacheKeepALongStreamInRange() throws IOException {
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(tinyModel(), device);
        Decoding decoding = new Decoding(model).with(CachePrecision.FLOAT32, RopePositions.CACHE)) {
      int[] tokens = new Random(3).ints(2_000, 0, 259).toArray();
      int[] shifted = Arrays.copyOfRange(tokens, 500, tokens.length);
      KvCachePolicy policy = KvCachePolicy.streaming(0, 40);
      // Without sinks all that is left of the past is the last 40 tokens and what they carried over
      // from before; three layers reach back 3 · 40. From then on absolute positions must not show.
      assertTrue(difference(decoding, policy, tokens, shifted) < 1e-4);
    }
  }

  private static double difference(
      Decoding decoding, KvCachePolicy policy, int[] longer, int[] shorter) {
    float[] one = read(decoding, policy, longer);
    float[] other = read(decoding, policy, shorter);
    double most = 0;
    for (int i = 0; i < one.length; i++) {
      most = Math.max(most, Math.abs(one[i] - other[i]));
    }
    return most;
  }

  private static float[] read(Decoding decoding, KvCachePolicy policy, int[] tokens) {
    Sequence sequence = decoding.sequence(policy, 1, tokens.length);
    decoding.decoder().prefill(sequence, new int[] {tokens[0]}, () -> false);
    for (int i = 1; i < tokens.length; i++) {
      decoding.feed(sequence, tokens[i]);
    }
    return decoding.logits(0);
  }
}
