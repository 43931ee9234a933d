package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Arrays;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/** What decoding must give by PyTorch and Transformers, on any device. */
final class CacheReference {
  private CacheReference() {}

  /** H2O: tokens, logits of every step, alive sets and scores. */
  static void checkH2o(Fixture fixture, CausalLm model, double bound) throws IOException {
    try (SafeTensorsFile expected = fixture.expected();
        EngineDecoding decoding = new EngineDecoding(model)) {
      int[] prompt = Fixture.ints(expected, "h2o_prompt");
      int[] tokens = Fixture.ints(expected, "h2o_tokens");
      float[] logits = Fixture.floats(expected, "h2o_logits");
      int vocabulary = logits.length / tokens.length;
      double largest = EngineDecoding.largest(logits);

      CachedSequence sequence = decoding.read(fixture.policy(), prompt, tokens.length);
      for (int step = 0; step < tokens.length; step++) {
        float[] ours = decoding.logits(0);
        assertEquals(tokens[step], Decoding.argMax(ours), "token " + step);
        for (int i = 0; i < vocabulary; i++) {
          double reference = logits[step * vocabulary + i];
          assertEquals(reference, ours[i], bound * largest, "step " + step);
        }
        if (step < tokens.length - 1) {
          decoding.feed(sequence, tokens[step]);
        }
      }
      for (int layer = 0; layer < model.config().numHiddenLayers(); layer++) {
        byte[] alive = bytes(expected, "h2o_alive_" + layer);
        float[] scores = Fixture.floats(expected, "h2o_score_" + layer);
        checkLayer(sequence.cache(), layer, alive, scores, bound);
      }
      sequence.cache().close();
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
  private static void checkLayer(
      KvCache cache, int layer, byte[] alive, float[] scores, double bound) {
    int positions = alive.length / cache.kvHeads();
    for (int head = 0; head < cache.kvHeads(); head++) {
      CacheSlots slots = cache.slots(layer, head);
      byte[] ours = new byte[positions];
      for (int slot = 0; slot < slots.used(); slot++) {
        if (slots.isAlive(slot)) {
          int position = slots.position(slot);
          ours[position] = 1;
          double reference = scores[head * positions + position];
          assertEquals(
              reference,
              slots.score(slot),
              bound * Math.max(1, reference),
              "layer %d, head %d: score of position %d".formatted(layer, head, position));
        }
      }
      byte[] expected = new byte[positions];
      System.arraycopy(alive, head * positions, expected, 0, positions);
      assertArrayEquals(
          expected, ours, "layer %d, head %d: alive positions".formatted(layer, head));
    }
  }

  /** From this bound on the device rounds to bfloat16: logits are compared as vectors alone. */
  private static final double ROUNDED = 1e-2;

  /**
   * The full cache: logits of a sequence of which a part is read as a prompt and the rest token by
   * token.
   *
   * @param name of the expected logits [2, tokens, vocabulary]
   * @param weights how they are stored; null for as the device has them
   */
  static void checkFull(
      Fixture fixture,
      CausalLm model,
      String name,
      WeightPrecision weights,
      AdapterWeights adapterWeights,
      CachePrecision precision,
      double bound)
      throws IOException {
    try (SafeTensorsFile expected = fixture.expected();
        EngineDecoding decoding = new EngineDecoding(model, weights, adapterWeights)) {
      int length = Math.toIntExact(expected.info("input_ids").shape().get(1));
      int[] tokens = Arrays.copyOf(Fixture.ints(expected, "input_ids"), length);
      float[] logits = Fixture.floats(expected, name);
      int vocabulary = model.config().vocabSize();
      double largest = EngineDecoding.largest(logits);
      int prompt = length - 20;
      for (RopePositions rope : RopePositions.values()) {
        decoding.with(precision, rope);
        CachedSequence sequence =
            decoding.read(KvCachePolicy.full(), Arrays.copyOf(tokens, prompt), 20);
        double squares = 0;
        double norm = 0;
        for (int i = prompt - 1; i < length; i++) {
          if (i >= prompt) {
            decoding.feed(sequence, tokens[i]);
          }
          float[] ours = decoding.logits(0);
          for (int v = 0; v < vocabulary; v++) {
            double reference = logits[i * vocabulary + v];
            squares += (reference - ours[v]) * (reference - ours[v]);
            norm += reference * reference;
            if (bound < ROUNDED) {
              assertEquals(reference, ours[v], bound * largest, rope + ", token " + i);
            }
          }
        }
        // What rounding does to single logits is larger; see the reference test of training.
        assertEquals(0, Math.sqrt(squares / norm), bound, rope + ", as vectors");
        sequence.cache().close();
      }
    }
  }
}
