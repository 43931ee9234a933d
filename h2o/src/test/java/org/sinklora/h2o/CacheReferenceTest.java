package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.CausalLm;

/**
 * H2O against PyTorch and Transformers on the CPU. Runs on every model folder under {@code
 * -Dsinklora.fixtures=DIR}.
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
    try (CausalLm model = CausalLm.load(fixture.base(), device)) {
      CacheReference.checkH2o(fixture, model, BOUND);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void theFullCacheHasTheLogitsOfTraining(Fixture fixture) throws IOException {
    try (CausalLm model = CausalLm.load(fixture.base(), device)) {
      CacheReference.checkFull(
          fixture,
          model,
          "logits_full",
          null,
          AdapterWeights.UNMERGED,
          CachePrecision.FLOAT32,
          BOUND);
    }
  }
}
