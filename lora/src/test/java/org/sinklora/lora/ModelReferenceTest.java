package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;

/** {@link ModelConformance} on the CPU, and the files that are written. */
class ModelReferenceTest extends ModelConformance {
  private final CpuDevice device = new CpuDevice(2);

  @Override
  Device device() {
    return device;
  }

  @Override
  double bound() {
    return 1e-4;
  }

  @Override
  double lossBound() {
    return 1e-5;
  }

  @Test
  void thereAreFixtures() throws IOException {
    assertFalse(Fixture.models().toList().isEmpty(), "no model folder under " + Fixture.root());
  }

  @ParameterizedTest
  @MethodSource("models")
  void anAdapterIsWrittenAsPeftWroteIt(Fixture fixture, @TempDir Path temp) throws IOException {
    assumeTrue(fixture.hasAdapter());
    Path written = temp.resolve("adapter");
    try (CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
      adapter.save(written);
    }
    checkTensors(
        fixture.adapter(),
        written,
        (name, reference, value) -> assertArrayEquals(reference, value, name));
    assertEquals(
        new JsonMapper().readTree(fixture.adapter().resolve("adapter_config.json").toFile()),
        new JsonMapper().readTree(written.resolve("adapter_config.json").toFile()));
    assertFalse(Files.readString(written.resolve("README.md")).isBlank());
  }
}
