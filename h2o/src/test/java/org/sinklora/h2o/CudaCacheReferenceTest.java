package org.sinklora.h2o;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.stream.Stream;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;

/** Decoding on a GPU against PyTorch, Transformers and PEFT. */
@EnabledIf(GpuPresent.CONDITION)
class CudaCacheReferenceTest {
  private static final double EXACT = 1e-4;
  private static final double ROUNDED = 2e-2;

  static Stream<Fixture> models() throws IOException {
    return Fixture.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void tokensLogitsAliveSetsAndScoresInFloat32(Fixture fixture) throws IOException {
    try (CudaDevice device = CudaDevice.open(0, CudaPrecision.FLOAT32);
        CausalLm model = CausalLm.load(fixture.base(), device)) {
      CacheReference.checkH2o(fixture, model, EXACT);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void theFullCacheHasTheLogitsOfTraining(Fixture fixture) throws IOException {
    for (CudaPrecision precision : CudaPrecision.values()) {
      boolean exact = precision == CudaPrecision.FLOAT32;
      try (CudaDevice device = CudaDevice.open(0, precision);
          CausalLm model = CausalLm.load(fixture.base(), device)) {
        CacheReference.checkFull(
            fixture,
            model,
            "logits_full",
            null,
            AdapterWeights.UNMERGED,
            exact ? CachePrecision.FLOAT32 : CachePrecision.BFLOAT16,
            exact ? EXACT : ROUNDED);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void adaptersUnmergedAndMerged(Fixture fixture) throws IOException {
    assumeTrue(Files.exists(fixture.adapter()));
    for (CudaPrecision precision : CudaPrecision.values()) {
      boolean exact = precision == CudaPrecision.FLOAT32;
      try (CudaDevice device = CudaDevice.open(0, precision);
          CausalLm base = CausalLm.load(fixture.base(), device);
          LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
        for (AdapterWeights weights : AdapterWeights.values()) {
          CacheReference.checkFull(
              fixture,
              base.withAdapter(adapter),
              "adapter_logits_full",
              null,
              weights,
              CachePrecision.FLOAT32,
              exact ? EXACT : ROUNDED);
        }
      }
    }
  }
}
