package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.sinklora.lora.Errors.assertClose;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.ModelWeights;

/** A merged model computes what its base computed with the adapter. */
class MergedModelTest {
  private static final CpuDevice DEVICE = new CpuDevice(1);

  @TempDir Path temp;

  static Stream<Variant> variants() {
    return Variant.all();
  }

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  private float[] logitsOf(Path folder) throws IOException {
    try (CausalLm model = CausalLm.load(folder, DEVICE)) {
      return PeftRoundTripTest.logits(model);
    }
  }

  private static Set<String> files(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries
          .map(entry -> entry.getFileName().toString())
          .collect(Collectors.toCollection(TreeSet::new));
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void logitsAreTheAdaptersInOneFileAndInShards(Variant variant) throws IOException {
    Path one = temp.resolve("one");
    Path shards = temp.resolve("shards");
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp.resolve("base")), DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      CausalLm model = base.withAdapter(adapter);
      float[] expected = PeftRoundTripTest.logits(model);
      model.saveMerged(one);
      MergedModel.write(model, shards, null, 5000);
      assertClose(expected, logitsOf(one), 1e-5, "one file");
      assertEquals(0, Errors.relative(logitsOf(one), logitsOf(shards)));
    }
    assertEquals(
        Set.of(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json"),
        files(one));
    assertTrue(files(shards).size() > 7, files(shards).toString());
    assertFalse(files(shards).contains("model.safetensors"));
  }

  @ParameterizedTest
  @EnumSource(
      value = Dtype.class,
      names = {"F16", "BF16"})
  void theBasesTypeIsKept(Dtype dtype) throws IOException {
    Variant variant = Variant.named("tied, embedding trained, head left");
    Path merged = temp.resolve("merged");
    Path folder = variant.base().as(dtype).inShardsOf(3000).writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      CausalLm model = base.withAdapter(adapter);
      model.saveMerged(merged);
      try (ModelWeights weights = ModelWeights.open(merged)) {
        assertTrue(weights.contains("lm_head.weight"), "the head no longer is the embedding");
        weights.names().forEach(name -> assertEquals(dtype, weights.info(name).dtype(), name));
      }
      float[] expected = PeftRoundTripTest.logits(model);
      assertClose(expected, logitsOf(merged), dtype == Dtype.F16 ? 2e-3 : 2e-2, dtype.name());
      assertFalse(ModelConfig.read(merged).tieWordEmbeddings());

      model.saveMerged(temp.resolve("floats"), Dtype.F32);
      assertClose(expected, logitsOf(temp.resolve("floats")), 1e-5, "in F32");
      assertEquals(
          "float32", ModelConfig.read(temp.resolve("floats")).json().path("dtype").asText());
    }
  }

  @Test
  void anExtendedContextIsInTheConfiguration() throws IOException {
    Variant variant = Variant.named("lora on attention");
    Path folder = variant.base().writeTo(temp.resolve("base"));
    ModelConfig config = ModelConfig.read(folder);
    ModelConfig longer = config.withContext(256, config.rope().extendedLinearly(4));
    try (CausalLm base = CausalLm.load(folder, longer, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      base.withAdapter(adapter).saveMerged(temp.resolve("merged"));
      ModelConfig merged = ModelConfig.read(temp.resolve("merged"));
      assertEquals(256, merged.maxPositionEmbeddings());
      assertEquals(longer.rope(), merged.rope());
      assertClose(
          PeftRoundTripTest.logits(base.withAdapter(adapter)),
          logitsOf(temp.resolve("merged")),
          1e-5,
          "longer");
    }
  }

  @Test
  void weightsInOtherFormatsAndAdaptersAreNotCopied() throws IOException {
    Variant variant = Variant.named("tied");
    Path folder = variant.base().writeTo(temp.resolve("base"));
    for (String name :
        List.of(
            "pytorch_model.bin",
            "pytorch_model.bin.index.json",
            "adapter_config.json",
            "model.gguf",
            "consolidated.00.pth",
            "README.md")) {
      Files.writeString(folder.resolve(name), "{}");
    }
    Files.writeString(folder.resolve("special_tokens_map.json"), "{}");
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      base.withAdapter(adapter).saveMerged(temp.resolve("merged"));
    }
    assertEquals(
        Set.of(
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer.json",
            "tokenizer_config.json"),
        files(temp.resolve("merged")));
  }

  @Test
  void anExistingFolderIsLeftAlone() throws IOException {
    Variant variant = Variant.named("tied");
    Path existing = Files.createDirectory(temp.resolve("existing"));
    Files.writeString(existing.resolve("file"), "text");
    try (CausalLm base = CausalLm.load(variant.base().writeTo(temp.resolve("base")), DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      assertThrows(
          FileAlreadyExistsException.class, () -> base.withAdapter(adapter).saveMerged(existing));
      assertThrows(IllegalStateException.class, () -> base.saveMerged(temp.resolve("none")));
    }
    assertEquals(Set.of("file"), files(existing));
    assertEquals(Set.of("base", "existing"), files(temp));
  }

  @Test
  void aWeightThatTheTypeCannotHoldLeavesNothing() throws IOException {
    Variant variant = Variant.named("lora on attention");
    Path folder = variant.base().as(Dtype.F16).writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      DEVICE.scale(adapter.pair("model.layers.1.self_attn.o_proj").b().value(), 1e7f);
      Exception error =
          assertThrows(
              ModelFormatException.class,
              () -> base.withAdapter(adapter).saveMerged(temp.resolve("merged")));
      assertTrue(error.getMessage().contains("model.layers.1.self_attn.o_proj"));
      assertTrue(error.getMessage().contains("F16"), error.getMessage());
    }
    assertEquals(Set.of("base"), files(temp));
  }
}
