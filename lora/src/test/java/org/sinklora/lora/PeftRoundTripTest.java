package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/** Adapters of every kind come back as they were written. */
class PeftRoundTripTest {
  private static final CpuDevice DEVICE = new CpuDevice(1);
  private static final TokenBatch BATCH = Variant.batch(1, 17, 5);
  private static final String WEIGHTS = "adapter_model.safetensors";

  @TempDir Path temp;

  static Stream<Variant> variants() {
    return Variant.all();
  }

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  private CausalLm base(Variant variant) throws IOException {
    return CausalLm.load(variant.base().writeTo(temp.resolve("base")), DEVICE);
  }

  static float[] logits(CausalLm model) {
    try (ModelPass pass = new ModelPass(model)) {
      return pass.logits(BATCH, AttentionPlan.FULL).dup().data().asFloat();
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void savedAndLoadedItIsTheSame(Variant variant) throws IOException {
    Path first = temp.resolve("first");
    Path second = temp.resolve("second");
    try (CausalLm base = base(variant);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.save(first);
      try (LoraAdapter loaded = LoraAdapter.load(first, base)) {
        assertArrayEquals(logits(base.withAdapter(adapter)), logits(base.withAdapter(loaded)));
        loaded.save(second);
      }
      for (String file : new String[] {WEIGHTS, "adapter_config.json", "README.md"}) {
        assertArrayEquals(
            Files.readAllBytes(first.resolve(file)), Files.readAllBytes(second.resolve(file)));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void theLowRankWeightsAloneAreWrittenOnlyWhenThatIsWanted(Variant variant) throws IOException {
    Path folder = temp.resolve("lora");
    try (CausalLm base = base(variant);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      boolean lossy = !adapter.saved().isEmpty();
      if (lossy) {
        assertThrows(IllegalStateException.class, () -> adapter.saveLoraOnly(folder, false));
        assertFalse(Files.exists(folder));
      }
      if (adapter.pairs().isEmpty()) {
        Exception error =
            assertThrows(IllegalStateException.class, () -> adapter.saveLoraOnly(folder, true));
        assertTrue(error.getMessage().contains("merged"), error.getMessage());
        return;
      }
      adapter.saveLoraOnly(folder, lossy);
      checkLoraOnly(folder, adapter);
      try (LoraAdapter loaded = LoraAdapter.load(folder, base)) {
        assertEquals(adapter.pairs().keySet(), loaded.pairs().keySet());
      }
    }
  }

  private static void checkLoraOnly(Path folder, LoraAdapter adapter) throws IOException {
    LoraConfig config = LoraConfig.read(folder);
    assertTrue(config.modulesToSave().isEmpty());
    assertEquals(LoraBias.NONE, config.bias());
    String readme = Files.readString(folder.resolve("README.md"));
    for (String left : adapter.saved().keySet()) {
      assertTrue(readme.contains("`" + left + "`"), left);
    }
    assertEquals(!adapter.saved().isEmpty(), readme.contains("Incomplete"));
    try (SafeTensorsFile file = SafeTensorsFile.open(folder.resolve(WEIGHTS))) {
      assertEquals(2 * adapter.pairs().size(), file.names().size());
      assertTrue(file.names().stream().allMatch(PeftNames::isLora));
    }
  }

  @Test
  void biasesOfLoraThatPeftForgotAreTheBases() throws IOException {
    Variant variant = Variant.named("biases of lora");
    Path folder = temp.resolve("adapter");
    try (CausalLm base = base(variant);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.saveLoraOnly(folder, true);
      adapter.config().write(folder);
      try (LoraAdapter loaded = LoraAdapter.load(folder, base)) {
        assertEquals(adapter.saved().keySet(), loaded.saved().keySet());
        for (Parameter bias : loaded.saved().values()) {
          assertArrayEquals(
              Variant.valuesOf(DEVICE, base.base().get(bias.name())),
              Variant.valuesOf(DEVICE, bias));
        }
      }
    }
  }

  @Test
  void anAdapterOnTheHeadKnowsItsHead() throws IOException {
    Variant variant = Variant.named("lora on the head");
    Path folder = temp.resolve("adapter");
    try (CausalLm base = base(variant);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.save(folder);
      try (SafeTensorsFile file = SafeTensorsFile.open(folder.resolve(WEIGHTS))) {
        assertArrayEquals(
            Variant.valuesOf(DEVICE, base.base().get("lm_head.weight")),
            Fixture.floats(file, "base_model.model.lm_head.base_layer.weight"));
      }
      Parameter head = base.base().get("lm_head.weight");
      DEVICE.scale(head.value(), 1.1f);
      Exception error =
          assertThrows(ModelFormatException.class, () -> LoraAdapter.load(folder, base));
      assertTrue(error.getMessage().contains("differs from the base"), error.getMessage());
    }
  }

  @Test
  void initialisationIsPeftsAndDependsOnTheSeedAlone() throws IOException {
    Variant variant = Variant.named("lora on attention");
    try (CausalLm base = base(variant);
        LoraAdapter one = LoraAdapter.create(base, variant.adapter(), 1);
        LoraAdapter same = LoraAdapter.create(base, variant.adapter(), 1);
        LoraAdapter other = LoraAdapter.create(base, variant.adapter(), 2)) {
      assertEquals(Variant.parameters(one).keySet(), Variant.parameters(same).keySet());
      Variant.parameters(one)
          .forEach(
              (name, values) -> {
                assertArrayEquals(values, Variant.parameters(same).get(name));
                boolean isB = name.endsWith("lora_B.weight");
                boolean equal = Arrays.equals(values, Variant.parameters(other).get(name));
                assertEquals(isB, equal, name);
                double bound = isB ? 0 : 1 / Math.sqrt(24);
                for (double value : values) {
                  assertTrue(Math.abs(value) <= bound, name);
                }
              });
      assertArrayEquals(logits(base), logits(base.withAdapter(one)));
    }
  }
}
