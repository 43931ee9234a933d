package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;

/** The bundled model on text it has never seen: the sources of Lucene. */
class BundledModelTest {
  private static final Path LUCENE = Path.of("target", "corpus", "lucene-core-9.12.0-sources.jar");

  @Test
  void perplexityAtItsContextOf512() throws IOException {
    try (CpuDevice device = new CpuDevice();
        Tokenizer tokenizer = Tokenizer.load(BundledModel.folder());
        CausalLm model = CausalLm.load(BundledModel.folder(), device);
        ModelPass pass = new ModelPass(model)) {
      assertEquals(4_656_384, model.parameters());
      List<int[]> windows = TokenDocuments.heldOut(tokenizer, LUCENE).windows(512);
      Perplexity perplexity = Perplexity.of(pass, windows);
      System.out.println("Bundled model, held-out Lucene sources, context 512: " + perplexity);
      assertEquals(131 * 511, perplexity.predictions());
      assertTrue(perplexity.value() >= 7.1 && perplexity.value() <= 7.2, perplexity.toString());
    }
  }
}
