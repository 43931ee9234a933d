package org.sinklora.lora;

import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.sinklora.lora.Errors.assertClose;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/** The RoPE types against Transformers, on an input longer than the model's own context. */
class RopeReferenceTest {
  private static final Path FOLDER = Fixture.root().resolve("rope");

  static Stream<String> types() throws IOException {
    if (!Files.exists(FOLDER)) {
      return Stream.of("none");
    }
    try (Stream<Path> files = Files.list(FOLDER)) {
      List<String> names =
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.startsWith("config_"))
              .map(name -> name.substring("config_".length(), name.length() - ".json".length()))
              .sorted()
              .toList();
      return names.stream();
    }
  }

  @ParameterizedTest
  @MethodSource("types")
  void logits(String type) throws IOException {
    try (CpuDevice device = new CpuDevice(2)) {
      check(device, type, 1e-4);
    }
  }

  private static void check(Device device, String type, double bound) throws IOException {
    check(device, type, (expected, actual) -> assertClose(expected, actual, bound, type));
  }

  /** Compares logits on a device with the reference's. */
  static void check(Device device, String type, BiConsumer<float[], float[]> comparison)
      throws IOException {
    assumeTrue(Files.exists(FOLDER), "the folder of fixtures has no rope/");
    Path file = FOLDER.resolve("config_" + type + ".json");
    ObjectNode json = (ObjectNode) new JsonMapper().readTree(file.toFile());
    ModelConfig config = ModelConfig.parse(json, file.toString());
    try (SafeTensorsFile expected = SafeTensorsFile.open(FOLDER.resolve("expected.safetensors"));
        CausalLm model = CausalLm.load(FOLDER.resolve("base"), config, device);
        ModelPass pass = new ModelPass(model)) {
      float[] logits = pass.logitsArray(Fixture.batch(expected), AttentionPlan.FULL);
      comparison.accept(Fixture.floats(expected, "logits_" + type), logits);
    }
  }
}
