package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/** A bounded cache over a long generation: memory and time a token stay what they were. */
class LongRunTest {
  private static final int PROMPT = 100;
  private static final int TOKENS = 100_000;

  /** Pairs of turns that are timed, and the tokens of a turn. */
  private static final int TURNS = 200;

  private static final int TURN = 200;

  private static Path tinyModel() {
    return Fixture.ours().resolve("llama-gqa-embed-norm").resolve("base");
  }

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
              PROMPT,
              PROMPT + TOKENS + (long) TURNS * TURN + 1_000);
      try (Decoder decoder = new Decoder(decoderModel.shape(), 1, 1)) {
        Random random = new Random(1);
        Supplier<Sequence> started =
            () -> {
              SequenceCache cache = new SequenceCache(plan, policy, RopePositions.ORIGINAL);
              Sequence sequence = new Sequence(decoderModel, cache);
              int[] prompt = random.ints(PROMPT, 0, vocabulary).toArray();
              decoder.prefill(sequence, prompt, () -> false);
              assertEquals(plan.bytes(), cache.residentBytes());
              return sequence;
            };
        Sequence old = started.get();
        decode(decoder, old, random, vocabulary, TOKENS);
        Sequence young = started.get();

        // The two take turns, so that whatever the machine does meanwhile it does to both, and the
        // processor's time counts, not the wall's.
        double[] ratios = new double[TURNS];
        for (int turn = 0; turn < TURNS; turn++) {
          boolean oldFirst = turn % 2 == 0;
          Sequence[] order = oldFirst ? new Sequence[] {old, young} : new Sequence[] {young, old};
          long start = threads.getCurrentThreadCpuTime();
          decode(decoder, order[0], random, vocabulary, TURN);
          long middle = threads.getCurrentThreadCpuTime();
          decode(decoder, order[1], random, vocabulary, TURN);
          long end = threads.getCurrentThreadCpuTime();
          double ratio = (double) (middle - start) / (end - middle);
          ratios[turn] = oldFirst ? ratio : 1 / ratio;
        }
        long before = threads.getCurrentThreadAllocatedBytes();
        decode(decoder, old, random, vocabulary, 1_000);
        long allocated = threads.getCurrentThreadAllocatedBytes() - before;

        assertEquals(plan.bytes(), old.cache().residentBytes());
        assertEquals(PROMPT + TOKENS + TURNS * TURN + 1_000, old.position());
        assertTrue(allocated < 1_000, allocated + " bytes in the last 1,000 tokens");
        double median = Arrays.stream(ratios).sorted().toArray()[TURNS / 2];
        System.out.printf("%s: a token after 100,000 takes %.3f of a first one%n", text, median);
        assertTrue(median < 1.1, "a token takes %.3f of a first one".formatted(median));
      }
    }
  }

  private static void decode(
      Decoder decoder, Sequence sequence, Random random, int vocabulary, int tokens) {
    Sequence[] batch = {sequence};
    for (int i = 0; i < tokens; i++) {
      sequence.feed(random.nextInt(vocabulary));
      sequence.reserve();
      decoder.step(batch, 1);
    }
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
