package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.ModelConfig;
import org.sinklora.lora.Quantization;

/** Generation on a GPU: what must hold of any model. */
@EnabledIf(GpuPresent.CONDITION)
class CudaGenerationTest {
  private static final int VOCABULARY = 259;

  private static Fixture grouped() {
    return new Fixture(Fixture.root().resolve("llama-gqa-embed-norm"));
  }

  private static int[] prompt(int seed, int length) {
    return new Random(seed).ints(length, 0, VOCABULARY).toArray();
  }

  @Test
  void aBatchOfUnequalSequencesAndAdaptersEqualsItsSequencesAlone() throws IOException {
    Fixture fixture = grouped();
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.FLOAT32);
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter one = LoraAdapter.load(fixture.adapter(), base);
        LoraAdapter two =
            LoraAdapter.load(fixture.folder().resolve("adapter_after_10_steps"), base);
        Generator generator =
            Generator.builder(base).optAdapter("one", one).optAdapter("two", two).build()) {
      List<GenerationRequest> requests =
          List.of(
              request(1, 90).optAdapter("two").optMaxTokens(38).build(),
              request(2, 33).optPolicy(KvCachePolicy.h2o(8, 8)).optMaxTokens(25).build(),
              request(3, 150)
                  .optPolicy(KvCachePolicy.streaming(2, 30))
                  .optRopePositions(RopePositions.CACHE)
                  .optAdapter("one")
                  .optMaxTokens(60)
                  .build(),
              request(4, 200)
                  .optPolicy(KvCachePolicy.snapKv(40, 8))
                  .optCachePrecision(CachePrecision.BFLOAT16)
                  .optMaxTokens(30)
                  .build(),
              request(5, 64)
                  .optPolicy(KvCachePolicy.h2o(20, 12))
                  .optRopePositions(RopePositions.CACHE)
                  .optCachePrecision(CachePrecision.BFLOAT16)
                  .optAdapter("two")
                  .optMaxTokens(50)
                  .build());
      List<GenerationResult> together = generator.generate(requests);
      for (int i = 0; i < requests.size(); i++) {
        GenerationResult alone = generator.generate(requests.get(i));
        assertEquals(FinishReason.LENGTH, together.get(i).finish(), together.get(i).error());
        assertArrayEquals(alone.tokens(), together.get(i).tokens(), "sequence " + i);
        assertEquals(alone.cachePlannedBytes(), alone.cacheResidentBytes());
      }
      assertFalse(Arrays.equals(together.get(0).tokens(), together.get(4).tokens()));
    }
  }

  private static GenerationRequest.Builder request(int seed, int length) {
    return GenerationRequest.builder(prompt(seed, length));
  }

  @ParameterizedTest
  @EnumSource(WeightPrecision.class)
  void aPromptLeavesWhatItsTokensLeaveOneByOne(WeightPrecision weights) throws IOException {
    boolean exact = weights == WeightPrecision.FLOAT32;
    CudaPrecision precision = exact ? CudaPrecision.FLOAT32 : CudaPrecision.BFLOAT16;
    // Longer than a chunk, and no multiple of a tile.
    int[] tokens = prompt(7, 2_300);
    KvCachePolicy ample = KvCachePolicy.h2o(1_200, 1_200);
    try (CudaDevice device = CudaDevice.open(0, precision);
        CausalLm model = CausalLm.load(grouped().base(), device);
        EngineDecoding decoding = new EngineDecoding(model, weights, AdapterWeights.UNMERGED)) {
      CachedSequence together = decoding.read(ample, tokens, 1);
      float[] expected = decoding.logits(0);
      CachedSequence steps = decoding.read(ample, Arrays.copyOf(tokens, 1), tokens.length);
      for (int i = 1; i < tokens.length; i++) {
        decoding.feed(steps, tokens[i]);
      }
      double bound = (exact ? 1e-3 : 4e-2) * EngineDecoding.largest(expected);
      float[] actual = decoding.logits(0);
      for (int i = 0; i < expected.length; i++) {
        assertEquals(expected[i], actual[i], bound, "logit " + i);
      }
      CacheSlots ofPrompt = together.cache().slots(0, 1);
      CacheSlots ofSteps = steps.cache().slots(0, 1);
      assertEquals(tokens.length, ofPrompt.used());
      for (int slot = 0; slot < tokens.length; slot++) {
        assertEquals(ofPrompt.position(slot), ofSteps.position(slot));
        double score = ofPrompt.score(slot);
        assertEquals(score, ofSteps.score(slot), (exact ? 1e-3 : 4e-2) * Math.max(1, score));
      }
      together.cache().close();
      steps.cache().close();
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "h2o:heavy=100,recent=100",
        "streaming:sinks=4,recent=400",
        "snapkv:budget=400,window=16",
        "full:limit=500"
      })
  void anAmpleBudgetEqualsTheFullCache(String policy) throws IOException {
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.FLOAT32);
        CausalLm model = CausalLm.load(grouped().base(), device);
        EngineDecoding decoding = new EngineDecoding(model)) {
      CachedSequence full = decoding.read(KvCachePolicy.full(), prompt(5, 150), 40);
      float[] expected = logits(decoding, full);
      for (RopePositions rope : RopePositions.values()) {
        decoding.with(CachePrecision.FLOAT32, rope);
        CachedSequence own = decoding.read(KvCachePolicy.parse(policy), prompt(5, 150), 40);
        assertArrayEquals(expected, logits(decoding, own), 1e-4f, rope.toString());
        own.cache().close();
      }
      full.cache().close();
    }
  }

  /** The last logits after 40 fixed tokens. */
  private static float[] logits(EngineDecoding decoding, CachedSequence sequence) {
    for (int token : prompt(6, 40)) {
      decoding.feed(sequence, token);
    }
    return decoding.logits(0);
  }

  @ParameterizedTest
  @ValueSource(strings = {"h2o:heavy=32,recent=32", "streaming:sinks=4,recent=60"})
  void memoryIsFlatOverALongRun(String policy) throws IOException {
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.BFLOAT16);
        CausalLm model = CausalLm.load(grouped().base(), device);
        EngineDecoding decoding = new EngineDecoding(model)) {
      for (RopePositions rope : RopePositions.values()) {
        decoding.with(CachePrecision.BFLOAT16, rope);
        CachedSequence sequence = decoding.read(KvCachePolicy.parse(policy), prompt(1, 100), 10);
        long planned = sequence.cache().plannedBytes();
        long allocated = 0;
        Random random = new Random(2);
        for (int i = 0; i < 6_000; i++) {
          decoding.feed(sequence, random.nextInt(VOCABULARY));
          if (i == 10) {
            allocated = device.allocatedBytes();
          }
        }
        assertEquals(allocated, device.allocatedBytes(), rope.toString());
        assertEquals(planned, sequence.cache().residentBytes());
        assertEquals(6_100, sequence.position());
        for (int layer = 0; layer < sequence.cache().layerCount(); layer++) {
          CacheSlots slots = sequence.cache().slots(layer, 1);
          assertEquals(64, slots.alive());
          assertEquals(6_099, slots.lastPosition());
        }
        for (float logit : decoding.logits(0)) {
          assertTrue(Float.isFinite(logit));
        }
        sequence.cache().close();
      }
    }
  }

  /** Read where they lie, in four bits, or widened first: the values are the same. */
  @ParameterizedTest
  @EnumSource(AdapterWeights.class)
  void aBaseInFourBitsIsReadWhereItLies(AdapterWeights mode) throws IOException {
    int[] tokens = prompt(9, 120);
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.BFLOAT16);
        CausalLm base =
            CausalLm.load(
                grouped().base(), ModelConfig.read(grouped().base()), device, Quantization.NF4);
        LoraAdapter adapter = LoraAdapter.load(grouped().adapter(), base)) {
      CausalLm model = base.withAdapter(adapter);
      float[] wide;
      try (EngineDecoding decoding = new EngineDecoding(model, WeightPrecision.BFLOAT16, mode)) {
        decoding.feed(decoding.read(KvCachePolicy.full(), tokens, 4), tokens[0]);
        wide = decoding.logits(0);
      }
      try (EngineDecoding decoding = new EngineDecoding(model, null, mode)) {
        decoding.feed(decoding.read(KvCachePolicy.full(), tokens, 4), tokens[0]);
        float[] packed = decoding.logits(0);
        // Merged, what the adapter added is rounded to four bits again.
        double bound = (mode == AdapterWeights.MERGED ? 0.3 : 2e-2) * EngineDecoding.largest(wide);
        for (int i = 0; i < wide.length; i++) {
          assertEquals(wide[i], packed[i], bound, "logit " + i);
        }
      }
    }
  }

  @Test
  void whatTheGpuDoesNotHaveIsNamed() throws IOException {
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.BFLOAT16);
        CausalLm model = CausalLm.load(grouped().base(), device)) {
      Generator.Builder withPrefixes = Generator.builder(model).optPrefixCacheBytes(1);
      String prefixes =
          assertThrows(IllegalArgumentException.class, withPrefixes::build).getMessage();
      assertTrue(prefixes.contains("prefix"), prefixes);
      Generator.Builder single = Generator.builder(model).optWeights(WeightPrecision.FLOAT32);
      String weights = assertThrows(IllegalArgumentException.class, single::build).getMessage();
      assertTrue(weights.contains("FLOAT32") && weights.contains("BFLOAT16"), weights);
      try (Generator generator = Generator.builder(model).build()) {
        GenerationResult int8 =
            generator.generate(request(1, 5).optCachePrecision(CachePrecision.INT8).build());
        assertEquals(FinishReason.FAILED, int8.finish());
        assertTrue(int8.error().contains("int8"), int8.error());
        GenerationResult tooLarge =
            generator.generate(
                request(1, 5).optPolicy(KvCachePolicy.h2o(1_000_000_000, 1_000_000_000)).build());
        assertEquals(FinishReason.FAILED, tooLarge.finish());
        assertTrue(tooLarge.error().contains("bytes"), tooLarge.error());
      }
    }
  }

  @Test
  void anAdapterThatIsRemovedGivesItsMemoryBack() throws IOException {
    Fixture fixture = grouped();
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.FLOAT32);
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base);
        Generator generator = Generator.builder(base).build()) {
      long before = device.allocatedBytes();
      for (int i = 0; i < 3; i++) {
        generator.addAdapter("a", adapter);
        assertTrue(device.allocatedBytes() > before);
        assertTrue(generator.removeAdapter("a"));
        assertEquals(before, device.allocatedBytes());
      }
    }
  }
}
