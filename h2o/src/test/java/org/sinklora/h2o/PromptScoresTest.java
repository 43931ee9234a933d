package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/**
 * The column sums of SnapKV's window: those that all queries of a prompt give less those that the
 * queries before the window give, both from H2O, which the reference values check.
 */
class PromptScoresTest {

  static Stream<Fixture> models() throws IOException {
    return Fixture.ourModels();
  }

  @ParameterizedTest
  @MethodSource("models")
  void theWindowsScoresAreADifferenceOfSums(Fixture fixture) throws IOException {
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(fixture.base(), device);
        Decoding decoding = new Decoding(model)) {
      int[] prompt = new Random(9).ints(300, 0, 259).toArray();
      int window = 70;
      int[] before = Arrays.copyOf(prompt, prompt.length - window);
      LayerCache all = first(decoding, KvCachePolicy.h2o(300, 300), prompt);
      LayerCache early = first(decoding, KvCachePolicy.h2o(300, 300), before);
      LayerCache late = first(decoding, KvCachePolicy.snapKv(350, window), prompt);
      for (int head = 0; head < all.kvHeads(); head++) {
        double[] differences = new double[before.length];
        for (int position = 0; position < before.length; position++) {
          differences[position] = all.head(head).score(position) - early.head(head).score(position);
          assertEquals(differences[position], late.head(head).score(position), 1e-3);
        }
        LayerCache cut = first(decoding, KvCachePolicy.snapKv(window + 40, window), prompt);
        int[] expected = KeptPositions.heaviest(differences, before.length, 40);
        int[] kept = new int[40];
        for (int slot = 0; slot < 40; slot++) {
          kept[slot] = cut.head(head).position(slot);
        }
        assertArrayEquals(expected, kept);
      }
    }
  }

  private static LayerCache first(Decoding decoding, KvCachePolicy policy, int[] prompt) {
    Sequence sequence = decoding.sequence(policy, prompt.length, 1);
    decoding.decoder().prefill(sequence, prompt, () -> false);
    return sequence.cache().layer(0);
  }
}
