package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/**
 * The rest of a prompt in chunks, against the same rest token by token, and against the prompt read
 * from its beginning. Prompts are several chunks long, and chunks end inside tiles and panels.
 */
class PromptContinuationTest {
  private static final int BEGINNING = 37;
  private static final int LENGTH = 560;
  private static final int GENERATED = 6;
  private static final List<KvCachePolicy> POLICIES =
      List.of(
          KvCachePolicy.parse("full:limit=2000"),
          KvCachePolicy.snapKv(20, 8),
          KvCachePolicy.streaming(4, 90),
          KvCachePolicy.h2o(40, 50),
          KvCachePolicy.h2o(500, 500));

  static Stream<Arguments> cases() throws IOException {
    return Fixture.ourModels()
        .flatMap(fixture -> POLICIES.stream().map(policy -> Arguments.of(fixture, policy)));
  }

  static Stream<Fixture> models() throws IOException {
    return Fixture.ourModels();
  }

  private static int[] prompt() {
    return new Random(11).ints(LENGTH, 0, 259).toArray();
  }

  private static Sequence begun(Decoding decoding, KvCachePolicy policy, int[] prompt) {
    Sequence sequence = decoding.sequence(policy, BEGINNING, LENGTH + GENERATED);
    decoding.decoder().prefill(sequence, Arrays.copyOf(prompt, BEGINNING), () -> false);
    return sequence;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void chunksEqualTokensOneByOne(Fixture fixture, KvCachePolicy policy) throws IOException {
    int[] prompt = prompt();
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      for (CachePrecision precision : CachePrecision.values()) {
        for (RopePositions rope : RopePositions.values()) {
          String what = precision + ", " + rope;
          decoding.with(precision, rope);
          Sequence steps = begun(decoding, policy, prompt);
          for (int i = BEGINNING; i < LENGTH; i++) {
            decoding.feed(steps, prompt[i]);
          }
          float[] expected = decoding.logits(0);
          Sequence chunks = begun(decoding, policy, prompt);
          assertTrue(decoding.decoder().readOn(chunks, prompt, () -> false));
          // A sum in another order may round a component to the neighbouring int8.
          float bound = precision == CachePrecision.FLOAT32 ? 1e-4f : 5e-3f;
          assertArrayEquals(expected, decoding.logits(0), bound, what);
          assertEquals(LENGTH, chunks.position());
          assertSameCache(steps.cache(), chunks.cache(), what);
          assertSameAnswer(decoding, steps, chunks, what);
        }
      }
    }
  }

  private static void assertSameCache(SequenceCache expected, SequenceCache actual, String what) {
    for (int layer = 0; layer < expected.layerCount(); layer++) {
      for (int head = 0; head < expected.layer(layer).kvHeads(); head++) {
        CacheSlots one = expected.layer(layer).head(head);
        CacheSlots other = actual.layer(layer).head(head);
        assertEquals(one.used(), other.used(), what);
        for (int slot = 0; slot < one.used(); slot++) {
          assertEquals(one.isAlive(slot), other.isAlive(slot), what);
          assertEquals(one.position(slot), other.position(slot), what);
          assertEquals(one.score(slot), other.score(slot), 1e-2 + 1e-3 * one.score(slot), what);
        }
      }
    }
  }

  private static void assertSameAnswer(
      Decoding decoding, Sequence one, Sequence other, String what) {
    for (int i = 0; i < GENERATED; i++) {
      decoding.feed(other, 3 + i);
      int token = Decoding.argMax(decoding.logits(0));
      decoding.feed(one, 3 + i);
      assertEquals(Decoding.argMax(decoding.logits(0)), token, what);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void withTheFullCacheChunksEqualThePromptReadAnew(Fixture fixture) throws IOException {
    int[] prompt = prompt();
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      KvCachePolicy full = KvCachePolicy.parse("full:limit=2000");
      for (RopePositions rope : RopePositions.values()) {
        decoding.with(CachePrecision.FLOAT32, rope);
        Sequence anew = decoding.sequence(full, LENGTH, GENERATED);
        decoding.decoder().prefill(anew, prompt, () -> false);
        float[] expected = decoding.logits(0);
        Sequence continued = begun(decoding, full, prompt);
        decoding.decoder().readOn(continued, prompt, () -> false);
        assertArrayEquals(expected, decoding.logits(0), 1e-4f, rope.toString());
        assertSameCache(anew.cache(), continued.cache(), rope.toString());
        assertSameAnswer(decoding, anew, continued, rope.toString());
      }
    }
  }

  @Test
  void stopsBetweenChunks() throws IOException {
    int[] prompt = prompt();
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(models().findFirst().orElseThrow().base(), device);
        Decoding decoding = new Decoding(model)) {
      AtomicInteger asked = new AtomicInteger();
      Sequence sequence = begun(decoding, KvCachePolicy.streaming(4, 90), prompt);
      assertFalse(decoding.decoder().readOn(sequence, prompt, () -> asked.incrementAndGet() == 2));
      assertTrue(sequence.position() > BEGINNING && sequence.position() < LENGTH);
    }
  }
}
