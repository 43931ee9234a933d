package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/** Adapters at inference against PEFT's logits, unmerged and merged, alone and in one batch. */
class AdapterReferenceTest {
  private static final double BOUND = 1e-4;

  private final CpuDevice device = new CpuDevice(1);

  static Stream<Fixture> models() throws IOException {
    return Fixture.models();
  }

  @AfterEach
  void close() {
    device.close();
  }

  @ParameterizedTest
  @MethodSource("models")
  void logitsEqualPefts(Fixture fixture) throws IOException {
    assumeTrue(Files.exists(fixture.adapter()));
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
      CausalLm adapted = base.withAdapter(adapter);
      int length = Math.toIntExact(expected.info("input_ids").shape().get(1));
      int[] prompt = Arrays.copyOf(Fixture.ints(expected, "input_ids"), length);
      float[] all = Fixture.floats(expected, "adapter_logits_full");
      int vocabulary = base.config().vocabSize();
      float[] last = Arrays.copyOfRange(all, (length - 1) * vocabulary, length * vocabulary);
      for (AdapterWeights weights : AdapterWeights.values()) {
        WeightStore store = new WeightStore(WeightPrecision.FLOAT32);
        try (Decoding decoding = new Decoding(DecoderModel.of(adapted, store, weights))) {
          Sequence sequence = decoding.sequence(KvCachePolicy.full(), length - 3, 4);
          decoding.decoder().prefill(sequence, Arrays.copyOf(prompt, length - 3), () -> false);
          for (int i = length - 3; i < length; i++) {
            decoding.feed(sequence, prompt[i]);
          }
          assertClose(last, decoding.logits(0), weights.toString());
        }
      }
    }
  }

  private static void assertClose(float[] expected, float[] actual, String what) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], BOUND * largest, what);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void adaptersShareABatch(Fixture fixture) throws IOException {
    assumeTrue(Files.exists(fixture.adapter()));
    try (CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter one = LoraAdapter.load(fixture.adapter(), base);
        LoraAdapter two =
            LoraAdapter.load(fixture.folder().resolve("adapter_after_10_steps"), base);
        LoraAdapter broken = LoraAdapter.load(fixture.adapter(), base)) {
      breakIt(base, broken);
      try (Generator generator =
          Generator.builder(base)
              .optAdapter("one", one)
              .optAdapter("two", two)
              .optAdapter("broken", broken)
              .build()) {
        List<GenerationRequest> requests =
            Stream.of("two", "", "one", "broken", "two")
                .map(
                    name ->
                        GenerationRequest.builder(5, 60, 200)
                            .optAdapter(name)
                            .optMaxTokens(30)
                            .build())
                .toList();
        List<GenerationResult> together = generator.generate(requests);
        for (int i = 0; i < requests.size(); i++) {
          GenerationResult alone = generator.generate(requests.get(i));
          assertArrayEquals(alone.tokens(), together.get(i).tokens(), "sequence " + i);
        }
        assertEquals(FinishReason.FAILED, together.get(3).finish());
        String error = together.get(3).error();
        assertTrue(error.contains("NaN") && error.contains("'broken'"), error);
        assertFalse(Arrays.equals(together.get(0).tokens(), together.get(1).tokens()));
        assertFalse(Arrays.equals(together.get(0).tokens(), together.get(2).tokens()));
      }
    }
  }

  private void breakIt(CausalLm base, LoraAdapter adapter) {
    String path =
        base.weight("model.norm.weight") != null
            ? "model.layers.1.self_attn.q_proj"
            : "gpt_neox.layers.1.attention.query_key_value";
    Tensor b = base.withAdapter(adapter).lowRankUpdate(path).b();
    device.fill(b, Float.NaN);
  }
}
