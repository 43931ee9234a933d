package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/**
 * H2O against PyTorch and Transformers: tokens, logits of every step, alive sets and scores. Runs
 * on every model folder under {@code -Dsinklora.fixtures=DIR}.
 */
class CacheReferenceTest {
  private static final double BOUND = 1e-4;

  private final CpuDevice device = new CpuDevice(1);

  static Stream<Fixture> models() throws IOException {
    return Fixture.models();
  }

  @AfterEach
  void close() {
    device.close();
  }

  @Test
  void thereAreFixtures() throws IOException {
    assertFalse(Fixture.models().toList().isEmpty(), "no model folder under " + Fixture.root());
  }

  @ParameterizedTest
  @MethodSource("models")
  void tokensLogitsAliveSetsAndScores(Fixture fixture) throws IOException {
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      int[] prompt = Fixture.ints(expected, "h2o_prompt");
      int[] tokens = Fixture.ints(expected, "h2o_tokens");
      float[] logits = Fixture.floats(expected, "h2o_logits");

      Decoding.Run run = decoding.greedy(fixture.policy(), prompt, tokens.length);

      assertArrayEquals(tokens, run.tokens());
      int vocabulary = logits.length / tokens.length;
      double largest = 0;
      for (float logit : logits) {
        largest = Math.max(largest, Math.abs(logit));
      }
      for (int step = 0; step < tokens.length; step++) {
        for (int i = 0; i < vocabulary; i++) {
          double reference = logits[step * vocabulary + i];
          assertEquals(reference, run.logits()[step][i], BOUND * largest, "step " + step);
        }
      }
      for (int layer = 0; layer < model.config().numHiddenLayers(); layer++) {
        byte[] alive = bytes(expected, "h2o_alive_" + layer);
        float[] scores = Fixture.floats(expected, "h2o_score_" + layer);
        checkLayer(run.sequence().cache().layer(layer), alive, scores, "layer " + layer);
      }
    }
  }

  private static byte[] bytes(SafeTensorsFile file, String name) {
    long[] values = file.readLongs(name);
    byte[] bytes = new byte[values.length];
    for (int i = 0; i < values.length; i++) {
      bytes[i] = (byte) values[i];
    }
    return bytes;
  }

  /** The reference's scores of dead positions are those they died with: only alive ones compare. */
  private static void checkLayer(LayerCache cache, byte[] alive, float[] scores, String layer) {
    int positions = alive.length / cache.kvHeads();
    for (int head = 0; head < cache.kvHeads(); head++) {
      CacheSlots slots = cache.head(head);
      byte[] ours = new byte[positions];
      for (int slot = 0; slot < slots.used(); slot++) {
        if (slots.isAlive(slot)) {
          int position = slots.position(slot);
          ours[position] = 1;
          double reference = scores[head * positions + position];
          assertEquals(
              reference,
              slots.score(slot),
              BOUND * Math.max(1, reference),
              "%s, head %d: score of position %d".formatted(layer, head, position));
        }
      }
      byte[] expected = new byte[positions];
      System.arraycopy(alive, head * positions, expected, 0, positions);
      assertArrayEquals(expected, ours, "%s, head %d: alive positions".formatted(layer, head));
    }
  }
}
