package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.sfattn.AttentionPattern;

/** Models and inputs that cannot be used are refused with a reason, and nothing stays behind. */
class BadModelTest {
  private static final String Q = "model.layers.1.self_attn.q_proj.weight";

  @TempDir Path temp;

  private final CountingDevice device = new CountingDevice();
  private Path folder;

  @BeforeEach
  void writeModel() throws IOException {
    folder = TinyModel.llama("").writeTo(temp.resolve("model"));
  }

  private void refused(String... named) {
    Exception error =
        assertThrows(
            IllegalArgumentException.class, () -> CausalLm.load(folder, device.get()).close());
    for (String part : named) {
      assertTrue(error.getMessage().contains(part), part + " in: " + error.getMessage());
    }
    assertEquals(0, device.open(), "tensors stay allocated");
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void weightsThatAreNotFinite(float value) throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors")).set(Q, 7, value).write();
    refused("model", Q, "element 7", Float.toString(value));
  }

  @Test
  void aMissingTensor() throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors")).remove(Q).write();
    refused(folder.toString(), Q, "[24, 24]");
  }

  @Test
  void aMissingHeadThatIsNotTied() throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors")).remove("lm_head.weight").write();
    refused("lm_head.weight");
  }

  @Test
  void aTensorTooMany() throws IOException {
    String name = "model.layers.0.self_attn.q_norm.weight";
    EditedTensors.of(folder.resolve("model.safetensors")).add(name, 6).write();
    refused(folder.toString(), name, "llama");
  }

  @Test
  void aTensorOfAnotherShape() throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors")).remove(Q).add(Q, 24, 12).write();
    refused(Q, "[24, 12]", "[24, 24]");
  }

  @Test
  void integersForWeights() throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors")).as(Q, Dtype.I32).write();
    refused(Q, "I32");
  }

  @Test
  void whatOldFilesStoreBesideWeightsIsIgnored() throws IOException {
    EditedTensors.of(folder.resolve("model.safetensors"))
        .add("model.layers.0.self_attn.rotary_emb.inv_freq", 3)
        .write();
    CausalLm.load(folder, device.get()).close();
    assertEquals(0, device.open());
  }

  @Test
  void aConfigurationOfAnotherSize() throws IOException {
    ObjectNode config = TinyModel.llama("\"intermediate_size\": 21").config();
    ModelConfig.parse(config, "config.json").write(folder);
    refused("model.layers.0.mlp.gate_proj.weight", "[20, 24]", "[21, 24]");
  }

  @Test
  void tokensOutsideTheVocabulary() throws IOException {
    try (CpuDevice cpu = new CpuDevice(1);
        CausalLm model = CausalLm.load(folder, cpu);
        ModelPass pass = new ModelPass(model)) {
      for (int id : new int[] {37, -1}) {
        TokenBatch batch = TokenBatch.of(new int[] {1, 2, id});
        Exception error =
            assertThrows(
                IllegalArgumentException.class, () -> pass.losses(batch, AttentionPlan.FULL));
        assertTrue(error.getMessage().contains("Token id " + id), error.getMessage());
        assertTrue(error.getMessage().contains("37"), error.getMessage());
      }
      int[] ids = {1, 2, 3};
      TokenBatch labels =
          new TokenBatch(ids, new int[] {1, 99, 3}, TokenBatch.of(ids).documents(), 0);
      Exception error =
          assertThrows(
              IllegalArgumentException.class, () -> pass.losses(labels, AttentionPlan.FULL));
      assertTrue(error.getMessage().contains("99"), error.getMessage());
      assertEquals(3, pass.losses(TokenBatch.of(ids), AttentionPlan.FULL).length);
    }
  }

  @Test
  void emptyDocumentsAndBatches() {
    assertThrows(IllegalArgumentException.class, TokenBatch::of);
    Exception error =
        assertThrows(
            IllegalArgumentException.class, () -> TokenBatch.of(new int[] {1}, new int[] {}));
    assertTrue(error.getMessage().contains("Document 1"), error.getMessage());
    int[] ids = {1, 2};
    assertThrows(
        IllegalArgumentException.class,
        () -> new TokenBatch(ids, new int[] {1}, TokenBatch.of(ids).documents(), 0));
  }

  @Test
  void documentsThatAPatternCannotTake() throws IOException {
    try (CpuDevice cpu = new CpuDevice(1);
        CausalLm model = CausalLm.load(folder, cpu);
        ModelPass pass = new ModelPass(model)) {
      AttentionPlan plan = AttentionPlan.of(AttentionPattern.s2Cyclic(8));
      Exception error =
          assertThrows(
              IllegalArgumentException.class, () -> pass.losses(Variant.batch(1, 16, 12), plan));
      assertTrue(error.getMessage().contains("12"), error.getMessage());
      assertTrue(error.getMessage().contains("8"), error.getMessage());
      for (int layer : new int[] {2, -1}) {
        AttentionPlan missing = AttentionPlan.FULL.withFullAttentionLayers(layer);
        error =
            assertThrows(
                IllegalArgumentException.class, () -> pass.losses(Variant.batch(1, 4), missing));
        assertTrue(error.getMessage().contains("layer " + layer), error.getMessage());
      }
    }
  }
}
