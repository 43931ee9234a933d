package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelPass;
import org.sinklora.lora.Perplexity;

class CachePerplexityTest {
  private static final String TEXT =
      """
      public final class IntList {
        private int[] values = new int[8];
        private int size;

        public void add(int value) {
          if (size == values.length) {
            values = Arrays.copyOf(values, 2 * size);
          }
          values[size++] = value;
        }

        public int get(int index) {
          return values[index];
        }
      }
      """;

  @Test
  void theFullCacheHasThePerplexityOfTraining() throws IOException {
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(BundledModel.folder(), device);
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder());
        ModelPass pass = new ModelPass(model);
        Generator generator = Generator.builder(model).optMaxBatch(2).build()) {
      int[] text = tokenizer.encode(TEXT);
      List<int[]> documents =
          List.of(text, tokenizer.encode(TEXT.substring(100)), tokenizer.encode("class A {}"));
      double expected = Perplexity.of(pass, documents).value();
      CachePerplexity full =
          CachePerplexity.of(generator, "", documents, ScoringOptions.of(KvCachePolicy.full()));
      assertEquals(expected, full.value(), 1e-4 * expected);
      assertEquals(3, full.documents());

      CachePerplexity small =
          CachePerplexity.of(
              generator, "", documents, ScoringOptions.of(KvCachePolicy.streaming(0, 2)));
      assertTrue(small.value() > full.value(), small.value() + " against " + full.value());

      // A prompt that is not scored leaves the losses behind it as they are.
      ScoringOptions behind =
          new ScoringOptions(
              KvCachePolicy.full(), CachePrecision.FLOAT32, RopePositions.ORIGINAL, 40);
      double tail = Perplexity.of(pass, List.of(text), text.length - 40).value();
      assertEquals(
          tail, CachePerplexity.of(generator, "", List.of(text), behind).value(), 1e-4 * tail);
      assertThrows(
          IllegalArgumentException.class,
          () -> CachePerplexity.of(generator, "", List.of(new int[40]), behind));
    }
  }

  @Test
  void theWindowsOfAStreamMakeUpTheWhole() throws IOException {
    try (CpuDevice device = new CpuDevice(1);
        CausalLm model = CausalLm.load(BundledModel.folder(), device);
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder());
        Generator generator = Generator.builder(model).build()) {
      int[] text = tokenizer.encode(TEXT);
      ScoringOptions options = ScoringOptions.of(KvCachePolicy.streaming(4, 40));
      StreamPerplexity stream = StreamPerplexity.of(generator, "", text, 25, options);
      CachePerplexity whole = CachePerplexity.of(generator, "", List.of(text), options);
      assertEquals(whole.value(), stream.value(), 1e-9);
      assertEquals((text.length + 24) / 25, stream.windows().size());
      double loss = 0;
      for (int window = 0; window < stream.windows().size(); window++) {
        int end = Math.min(text.length, 25 * (window + 1));
        // Nothing predicts the first token.
        int predictions = end - Math.max(1, 25 * window);
        loss += predictions * Math.log(stream.windows().get(window));
      }
      assertEquals(whole.meanLoss() * whole.predictions(), loss, 1e-9);
      assertThrows(
          IllegalArgumentException.class,
          () -> StreamPerplexity.of(generator, "", text, 1, options));
    }
  }
}
