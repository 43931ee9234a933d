package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters that do not fit are refused with a reason, and nothing stays behind. */
class BadAdapterTest {
  private static final String A = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight";

  @TempDir Path temp;

  private final CountingDevice device = new CountingDevice();
  private CausalLm base;
  private Path folder;
  private long openBefore;

  @BeforeEach
  void writeAdapter() throws IOException {
    base =
        CausalLm.load(
            TinyModel.llama("\"num_key_value_heads\": 2").writeTo(temp.resolve("base")),
            device.get());
    folder = temp.resolve("adapter");
    LoraConfig config =
        Variant.settings()
            .setTargetModules("q_proj", "v_proj")
            .optModulesToSave(List.of("norm"))
            .build();
    try (LoraAdapter adapter = LoraAdapter.create(base, config, 1)) {
      adapter.save(folder);
    }
    openBefore = device.open();
  }

  @AfterEach
  void close() {
    base.close();
  }

  private EditedTensors tensors() throws IOException {
    return EditedTensors.of(folder.resolve("adapter_model.safetensors"));
  }

  private void refused(String... named) {
    Exception error =
        assertThrows(ModelFormatException.class, () -> LoraAdapter.load(folder, base).close());
    for (String part : named) {
      assertTrue(error.getMessage().contains(part), part + " in: " + error.getMessage());
    }
    assertTrue(error.getMessage().contains(folder.toString()), error.getMessage());
    assertEquals(openBefore, device.open(), "tensors stay allocated");
  }

  private void configure(LoraConfigBuilder config) throws IOException {
    config.build().write(folder);
  }

  @Test
  void valuesThatAreNotFinite() throws IOException {
    tensors().set(A, 5, Float.NaN).write();
    refused(A, "element 5", "NaN");
  }

  @Test
  void aMissingTensor() throws IOException {
    tensors().remove(A).write();
    refused(A);
  }

  @Test
  void aMissingSavedModule() throws IOException {
    tensors().remove("base_model.model.model.norm.weight").write();
    refused("base_model.model.model.norm.weight");
  }

  @Test
  void anotherRankThanTheConfigurations() throws IOException {
    configure(
        Variant.settings()
            .setRank(4)
            .setTargetModules("q_proj", "v_proj")
            .optModulesToSave(List.of("norm")));
    refused("q_proj.lora_A.weight", "[3, 24]", "[4, 24]");
  }

  @Test
  void anAdapterOfAnotherBase() throws IOException {
    String name = A.replace("lora_A", "lora_B").replace("q_proj", "v_proj");
    tensors().remove(name).add(name, 24, 3).write();
    refused(name, "[24, 3]", "[12, 3]", base.folder().toString());
  }

  @Test
  void tensorsThatNothingExplains() throws IOException {
    String name = A.replace("layers.1", "layers.7");
    tensors().add(name, 3, 24).write();
    refused(name, "neither");
  }

  @Test
  void namesThatAreNotPefts() throws IOException {
    tensors().rename(A, A.replace("base_model.model.", "")).write();
    refused(A);
  }

  @ParameterizedTest
  @ValueSource(strings = {"c_attn", "model.layers.5.self_attn.q_proj", "proj"})
  void targetsThatTheModelDoesNotHave(String target) throws IOException {
    configure(Variant.settings().setTargetModules(target).optModulesToSave(List.of("norm")));
    refused(target, "q_proj");
  }

  @Test
  void layersThatTheModelDoesNotHave() throws IOException {
    configure(Variant.settings().setTargetModules("q_proj").optLayersToTransform(List.of(2, 3)));
    refused("target_modules");
  }

  @Test
  void savedModulesThatTheModelDoesNotHave() throws IOException {
    configure(Variant.settings().setTargetModules("q_proj").optModulesToSave(List.of("embed_in")));
    refused("embed_in", "embed_tokens");
  }

  @ParameterizedTest
  @ValueSource(strings = {"embed_tokens", "input_layernorm", "norm"})
  void targetsThatAreNotLinears(String target) throws IOException {
    configure(Variant.settings().setTargetModules("q_proj", target));
    refused(target, "modules_to_save");
  }

  @ParameterizedTest
  @EnumSource(
      value = InitLoraWeights.class,
      names = {"EVA", "ORTHOGONAL"})
  void startsThatNeedMoreThanASeed(InitLoraWeights method) {
    LoraConfig config =
        Variant.settings().setTargetModules("q_proj").optInitLoraWeights(method).build();
    Exception error =
        assertThrows(
            IllegalArgumentException.class, () -> LoraAdapter.create(base, config, 1).close());
    assertTrue(
        error.getMessage().toUpperCase(Locale.ROOT).contains(method.name()), error.getMessage());
    assertEquals(openBefore, device.open());
  }

  @Test
  void suchAdaptersAreLoaded() throws IOException {
    LoraConfig config = LoraConfig.read(folder);
    new LoraConfigBuilder(config).optInitLoraWeights(InitLoraWeights.EVA).build().write(folder);
    LoraAdapter.load(folder, base).close();
  }

  @Test
  void picklesAreNeverRead() throws IOException {
    Files.move(folder.resolve("adapter_model.safetensors"), folder.resolve("adapter_model.bin"));
    Exception error =
        assertThrows(IllegalArgumentException.class, () -> LoraAdapter.load(folder, base).close());
    assertTrue(error.getMessage().contains("pickle"), error.getMessage());
  }
}
