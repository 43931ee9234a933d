package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.sinklora.compute.CpuDevice;

/** LongLoRA's split form: low-rank weights in one file, embeddings and norms in another. */
class LongLoraImportTest {
  private static final String PREFIX = "base_model.model.";

  @TempDir Path temp;

  private final CpuDevice device = new CpuDevice(1);

  private static Variant variant(boolean tied) {
    return Variant.llama(
        "longlora",
        "\"tie_word_embeddings\": " + tied,
        c -> c.optModulesToSave(List.of("embed_tokens", "norm")).optEnsureWeightTying(tied),
        "q_proj",
        "o_proj");
  }

  /** Takes apart what an adapter of ours holds in one file. */
  private Path split(LoraAdapter adapter, boolean withPrefix) throws IOException {
    Path folder = temp.resolve("split");
    adapter.saveLoraOnly(folder, true);
    Path whole = temp.resolve("whole");
    adapter.save(whole);
    EditedTensors tensors = EditedTensors.of(whole.resolve("adapter_model.safetensors"));
    for (String name : adapter.tensors().keySet()) {
      if (PeftNames.isLora(name)) {
        tensors.remove(name);
      } else if (!withPrefix) {
        tensors.rename(name, name.substring(PREFIX.length()));
      }
    }
    tensors.writeTo(folder.resolve("trainable_params.safetensors"));
    return folder;
  }

  @ParameterizedTest
  @CsvSource({"false,false", "false,true", "true,false"})
  void theTwoFilesAreOneAdapter(boolean tied, boolean withPrefix) throws IOException {
    Variant variant = variant(tied);
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp.resolve("base")), device);
        LoraAdapter adapter = variant.randomAdapter(base);
        LoraAdapter imported = LoraAdapter.load(split(adapter, withPrefix), base)) {
      float[] logits = PeftRoundTripTest.logits(base.withAdapter(adapter));
      assertArrayEquals(logits, PeftRoundTripTest.logits(base.withAdapter(imported)));
      assertEquals(
          List.of("embed_tokens", "input_layernorm", "norm", "post_attention_layernorm"),
          imported.config().modulesToSave());
      imported.save(temp.resolve("again"));
      try (LoraAdapter again = LoraAdapter.load(temp.resolve("again"), base)) {
        assertArrayEquals(logits, PeftRoundTripTest.logits(base.withAdapter(again)));
      }
    }
  }

  @Test
  void aNormAloneIsSavedUnderItsWholeName() throws IOException {
    Variant variant = variant(false);
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp.resolve("base")), device);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      Path folder = split(adapter, true);
      EditedTensors tensors = EditedTensors.of(folder.resolve("trainable_params.safetensors"));
      adapter.saved().keySet().stream()
          .filter(name -> !name.equals("model.norm.weight"))
          .forEach(name -> tensors.remove(PREFIX + name));
      tensors.write();
      try (LoraAdapter imported = LoraAdapter.load(folder, base)) {
        assertEquals(List.of("model.norm"), imported.config().modulesToSave());
        imported.save(temp.resolve("again"));
        LoraAdapter.load(temp.resolve("again"), base).close();
      }
    }
  }

  @ParameterizedTest
  @CsvSource({
    "model.layers.9.input_layernorm.weight, does not have",
    "model.layers.0.self_attn.q_proj.weight, low-rank"
  })
  void tensorsThatDoNotFitAreRefused(String name, String reason) throws IOException {
    Variant variant = variant(false);
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp.resolve("base")), device);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      Path folder = split(adapter, false);
      EditedTensors.of(folder.resolve("trainable_params.safetensors")).add(name, 24, 24).write();
      Exception error =
          assertThrows(ModelFormatException.class, () -> LoraAdapter.load(folder, base).close());
      assertTrue(error.getMessage().contains(name), error.getMessage());
      assertTrue(error.getMessage().contains(reason), error.getMessage());
    }
  }
}
