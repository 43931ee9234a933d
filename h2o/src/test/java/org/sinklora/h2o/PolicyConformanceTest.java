package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/** What holds for every policy. A new one enters with one line in {@link #POLICIES}. */
class PolicyConformanceTest {
  private static final int PROMPT = 150;
  private static final int GENERATED = 40;

  /**
   * @param small a budget that makes it drop positions
   * @param ample a budget that holds everything
   */
  private record Policy(KvCachePolicy small, KvCachePolicy ample) {}

  private static final List<Policy> POLICIES =
      List.of(
          new Policy(KvCachePolicy.parse("full:limit=500"), KvCachePolicy.parse("full:limit=500")),
          new Policy(KvCachePolicy.streaming(4, 30), KvCachePolicy.streaming(4, 400)),
          new Policy(KvCachePolicy.h2o(20, 30), KvCachePolicy.h2o(100, 100)),
          new Policy(KvCachePolicy.snapKv(40, 16), KvCachePolicy.snapKv(400, 16)));

  private final CpuDevice device = new CpuDevice(1);

  static Stream<Arguments> cases() throws IOException {
    return Fixture.ourModels()
        .flatMap(fixture -> POLICIES.stream().map(policy -> Arguments.of(fixture, policy)));
  }

  @AfterEach
  void close() {
    device.close();
  }

  private static int[] prompt(int length) {
    return new Random(5).ints(length, 0, 259).toArray();
  }

  @ParameterizedTest
  @MethodSource("cases")
  void anAmpleBudgetEqualsTheFullCache(Fixture fixture, Policy policy) throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      Decoding.Run full = decoding.greedy(KvCachePolicy.full(), prompt(PROMPT), GENERATED);
      for (RopePositions rope : RopePositions.values()) {
        decoding.with(CachePrecision.FLOAT32, rope);
        Decoding.Run run = decoding.greedy(policy.ample(), prompt(PROMPT), GENERATED);
        assertArrayEquals(full.tokens(), run.tokens(), rope.toString());
        for (int step = 0; step < GENERATED; step++) {
          // A key that is rotated back and forth once more is rounded once more.
          float bound = rope == RopePositions.ORIGINAL ? 1e-5f : 1e-4f;
          assertArrayEquals(full.logits()[step], run.logits()[step], bound, rope + ", " + step);
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theBudgetIsKeptAndTheBytesAreThePlannedOnes(Fixture fixture, Policy policy)
      throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      for (CachePrecision precision : CachePrecision.values()) {
        decoding.with(precision, RopePositions.ORIGINAL);
        Decoding.Run run = decoding.greedy(policy.small(), prompt(PROMPT), GENERATED);
        SequenceCache cache = run.sequence().cache();
        assertEquals(cache.plannedBytes(), cache.residentBytes(), precision.toString());
        for (int layer = 0; layer < cache.layerCount(); layer++) {
          for (int head = 0; head < cache.layer(layer).kvHeads(); head++) {
            checkHead(cache.layer(layer).head(head), cache.policy());
          }
        }
      }
    }
  }

  private static void checkHead(CacheSlots slots, KvCachePolicy policy) {
    int read = PROMPT + GENERATED - 1;
    int expected =
        policy.capacity() == Integer.MAX_VALUE
            ? policy.keptOf(PROMPT) + GENERATED - 1
            : Math.min(read, policy.capacity());
    assertEquals(expected, slots.alive());
    long distinct =
        IntStream.range(0, slots.used())
            .filter(slots::isAlive)
            .map(slots::position)
            .filter(position -> position >= 0 && position < read)
            .distinct()
            .count();
    assertEquals(expected, distinct);
    assertEquals(read - 1, slots.lastPosition());
  }

  @ParameterizedTest
  @MethodSource("cases")
  void theFirstTokenDoesNotDependOnThePolicy(Fixture fixture, Policy policy) throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      float[] full = decoding.greedy(KvCachePolicy.full(), prompt(PROMPT), 1).logits()[0];
      float[] own = decoding.greedy(policy.small(), prompt(PROMPT), 1).logits()[0];
      assertArrayEquals(full, own);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void lowPrecisionStaysClose(Fixture fixture, Policy policy) throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      int[] prompt = prompt(PROMPT);
      Sequence exact = decoding.sequence(policy.ample(), prompt.length, 2);
      decoding.decoder().prefill(exact, prompt, () -> false);
      decoding.feed(exact, 7);
      float[] reference = decoding.logits(0);
      for (CachePrecision precision : List.of(CachePrecision.BFLOAT16, CachePrecision.INT8)) {
        decoding.with(precision, RopePositions.ORIGINAL);
        Sequence rounded = decoding.sequence(policy.ample(), prompt.length, 2);
        decoding.decoder().prefill(rounded, prompt, () -> false);
        decoding.feed(rounded, 7);
        assertTrue(relative(reference, decoding.logits(0)) < 0.02, precision.toString());
      }
    }
  }

  private static double relative(float[] expected, float[] actual) {
    double difference = 0;
    double norm = 0;
    for (int i = 0; i < expected.length; i++) {
      difference += Math.pow((double) expected[i] - actual[i], 2);
      norm += Math.pow(expected[i], 2);
    }
    return Math.sqrt(difference / norm);
  }

  /** Prefill in tiles against the same prompt read token by token. */
  @ParameterizedTest
  @MethodSource("models")
  void aPromptMayBeReadTokenByToken(Fixture fixture) throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      int[] prompt = prompt(300);
      KvCachePolicy policy = KvCachePolicy.h2o(500, 500);
      Sequence tiles = decoding.sequence(policy, prompt.length, 1);
      decoding.decoder().prefill(tiles, prompt, () -> false);
      float[] expected = decoding.logits(0);
      Sequence tokens = decoding.sequence(policy, 1, 300);
      decoding.decoder().prefill(tokens, new int[] {prompt[0]}, () -> false);
      for (int i = 1; i < prompt.length; i++) {
        decoding.feed(tokens, prompt[i]);
      }
      assertArrayEquals(expected, decoding.logits(0), 1e-4f);
      for (int layer = 0; layer < tiles.cache().layerCount(); layer++) {
        CacheSlots one = tiles.cache().layer(layer).head(0);
        CacheSlots other = tokens.cache().layer(layer).head(0);
        for (int slot = 0; slot < one.used(); slot++) {
          assertEquals(one.score(slot), other.score(slot), 1e-4 * Math.max(1, one.score(slot)));
        }
      }
    }
  }

  static Stream<Fixture> models() throws IOException {
    return Fixture.ourModels();
  }
}
