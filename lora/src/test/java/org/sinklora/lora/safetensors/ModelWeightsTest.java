package org.sinklora.lora.safetensors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.lora.FormatFixtures;

class ModelWeightsTest {
  @TempDir Path folder;

  private static float[] floats(ModelWeights weights, String name) {
    float[] values = new float[(int) weights.info(name).elements()];
    weights.readFloats(name, 0, values, 0, values.length);
    return values;
  }

  private void writeShards(long maxShardBytes) throws IOException {
    try (ModelWeights base = ModelWeights.open(FormatFixtures.path("llama-mha/base"))) {
      ShardedModelWriter writer = new ShardedModelWriter(maxShardBytes);
      for (String name : base.names()) {
        writer.addBytes(name, base.info(name), () -> base.bytes(name));
      }
      writer.write(folder);
    }
  }

  @Test
  void shardsHoldTheSameWeights() throws IOException {
    writeShards(200_000);
    assertTrue(Files.exists(folder.resolve("model-00001-of-00004.safetensors")));
    assertFalse(Files.exists(folder.resolve("model.safetensors")));
    try (ModelWeights base = ModelWeights.open(FormatFixtures.path("llama-mha/base"));
        ModelWeights shards = ModelWeights.open(folder)) {
      assertEquals(base.names(), Set.copyOf(shards.names()));
      for (String name : base.names()) {
        assertEquals(base.info(name), shards.info(name));
        assertArrayEquals(floats(base, name), floats(shards, name));
      }
      assertFalse(shards.contains("nothing"));
      assertThrows(SafeTensorsException.class, () -> shards.info("nothing"));
    }
  }

  @Test
  void whatFitsIsOneFile() throws IOException {
    writeShards(ShardedModelWriter.DEFAULT_SHARD_BYTES);
    assertTrue(Files.exists(folder.resolve("model.safetensors")));
    assertFalse(Files.exists(folder.resolve("model.safetensors.index.json")));
  }

  @Test
  void aMissingShardIsNamed() throws IOException {
    writeShards(200_000);
    Files.delete(folder.resolve("model-00002-of-00004.safetensors"));
    assertRefused("model-00002-of-00004.safetensors");
  }

  @Test
  void aTensorThatIsNotInItsShardIsNamed() throws IOException {
    writeShards(200_000);
    Path index = folder.resolve("model.safetensors.index.json");
    Files.writeString(
        index, Files.readString(index).replace("model.norm.weight", "model.other.weight"));
    assertRefused("model.other.weight");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{",
        "{}",
        "[]",
        "{\"weight_map\":{}}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"w\":5}}",
        "{\"weight_map\":{\"w\":\"../x.safetensors\"}}",
        "{\"weight_map\":{\"w\":\"/etc/x.safetensors\"}}",
        "{\"weight_map\":{\"w\":\"C:\\\\x.safetensors\"}}",
        "{\"weight_map\":{\"w\":\"sub/x.safetensors\"}}",
        "{\"weight_map\":{\"w\":\"x.bin\"}}",
        "{\"weight_map\":{\"w\":\"a.safetensors\",\"w\":\"b.safetensors\"}}"
      })
  void badIndexesAreRefused(String index) throws IOException {
    Files.writeString(folder.resolve("model.safetensors.index.json"), index);
    assertRefused("model.safetensors.index.json");
  }

  @ParameterizedTest
  @ValueSource(strings = {"pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.pth"})
  void pickleIsRefusedWithTheWayOut(String name) throws IOException {
    Files.writeString(folder.resolve(name), "anything");
    assertRefused("safetensors.torch.save_file");
  }

  @Test
  void anAdapterIsOneFile() throws IOException {
    try (ModelWeights adapter =
        ModelWeights.openAdapter(FormatFixtures.path("llama-mha/adapter"))) {
      assertEquals(24, adapter.names().size());
    }
    Files.writeString(folder.resolve("adapter_model.bin"), "anything");
    assertTrue(
        assertThrows(SafeTensorsException.class, () -> ModelWeights.openAdapter(folder))
            .getMessage()
            .contains("adapter_model.bin"));
  }

  @Test
  void anEmptyOrAbsentFolderIsNamed() {
    assertRefused("there is no model.safetensors");
    assertThrows(SafeTensorsException.class, () -> ModelWeights.open(folder.resolve("absent")));
  }

  private void assertRefused(String expected) {
    SafeTensorsException refusal =
        assertThrows(SafeTensorsException.class, () -> ModelWeights.open(folder));
    assertTrue(refusal.getMessage().contains(expected), refusal.getMessage());
  }
}
