package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.sinklora.lora.Errors.assertClose;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/**
 * The models against PyTorch, Transformers and PEFT: logits of every pattern, losses, gradients,
 * merged weights, ten optimiser steps. Runs on every model folder under {@code
 * -Dsinklora.fixtures=DIR}.
 */
class ModelReferenceTest {
  private static final double BOUND = 1e-4;
  private static final double LOSS_BOUND = 1e-5;

  private final CpuDevice device = new CpuDevice(2);

  static Stream<Fixture> models() throws IOException {
    return Fixture.models();
  }

  @Test
  void thereAreFixtures() throws IOException {
    assertFalse(Fixture.models().toList().isEmpty(), "no model folder under " + Fixture.root());
  }

  @ParameterizedTest
  @MethodSource("models")
  void logitsAndLossesOfEveryPattern(Fixture fixture) throws IOException {
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm model = CausalLm.load(fixture.base(), device);
        ModelPass pass = new ModelPass(model)) {
      for (String pattern : names(expected, "logits_")) {
        checkLogits(fixture, pass, expected, pattern, "");
      }
    }
  }

  private static List<String> names(SafeTensorsFile file, String prefix) {
    return file.names().stream()
        .filter(name -> name.startsWith(prefix))
        .map(name -> name.substring(prefix.length()))
        .sorted()
        .toList();
  }

  private static void checkLogits(
      Fixture fixture, ModelPass pass, SafeTensorsFile expected, String pattern, String prefix)
      throws IOException {
    TokenBatch batch = fixture.batch();
    float[] logits = pass.logits(batch, fixture.plan(pattern)).dup().data().asFloat();
    String logitsName = prefix + "logits_" + pattern;
    assertClose(Fixture.floats(expected, logitsName), logits, BOUND, logitsName);
    String lossName = prefix + "loss_" + pattern;
    if (expected.names().contains(lossName)) {
      double loss = 0;
      for (float l : pass.losses(batch, fixture.plan(pattern))) {
        loss += l;
      }
      double reference = Fixture.floats(expected, lossName)[0];
      assertEquals(reference, loss / batch.predictions(), LOSS_BOUND * reference, lossName);
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void adapterLogitsLossesAndGradients(Fixture fixture) throws IOException {
    checkAdapter(fixture, false);
  }

  @ParameterizedTest
  @MethodSource("models")
  void theSameWithGradientCheckpointing(Fixture fixture) throws IOException {
    checkAdapter(fixture, true);
  }

  private void checkAdapter(Fixture fixture, boolean checkpointing) throws IOException {
    assumeTrue(fixture.hasAdapter());
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
      adapter.flat().requireGradients();
      try (ModelPass pass = new ModelPass(base.withAdapter(adapter), checkpointing)) {
        for (String pattern : names(expected, "adapter_logits_")) {
          checkLogits(fixture, pass, expected, pattern, "adapter_");
          checkGradients(fixture, pass, adapter, expected, pattern);
        }
      }
    }
  }

  private void checkGradients(
      Fixture fixture,
      ModelPass pass,
      LoraAdapter adapter,
      SafeTensorsFile expected,
      String pattern)
      throws IOException {
    TokenBatch batch = fixture.batch();
    adapter.parameters().forEach(parameter -> device.fill(parameter.gradient(), 0));
    float scale = 1f / batch.predictions();
    double loss = pass.accumulateGradients(batch, fixture.plan(pattern), scale, null);
    double reference = Fixture.floats(expected, "adapter_loss_" + pattern)[0];
    assertEquals(reference, loss * scale, LOSS_BOUND * reference);

    Path file = fixture.folder().resolve("grads_" + pattern + ".safetensors");
    Map<String, float[]> gradients = Fixture.gradients(file);
    assertEquals(
        gradients.keySet().stream().toList(),
        adapter.parameters().stream().map(Parameter::name).sorted().toList());
    for (Parameter parameter : adapter.parameters()) {
      assertClose(
          gradients.get(parameter.name()),
          values(parameter.gradient().size(), parameter.gradient()),
          BOUND,
          pattern + " gradient of " + parameter.name());
    }
  }

  private float[] values(long size, Tensor tensor) {
    float[] values = new float[Math.toIntExact(size)];
    device.download(tensor, values, 0);
    return values;
  }

  @ParameterizedTest
  @MethodSource("models")
  void mergedModelHasTheAdaptersLogits(Fixture fixture, @TempDir Path temp) throws IOException {
    assumeTrue(fixture.hasAdapter());
    Path merged = temp.resolve("merged");
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
      assumeTrue(expected.names().contains("merged_logits_full"));
      // In F32, whatever the base is stored in: the reference was merged in F32 too.
      base.withAdapter(adapter).saveMerged(merged, Dtype.F32);
      try (CausalLm model = CausalLm.load(merged, device);
          ModelPass pass = new ModelPass(model)) {
        float[] logits = pass.logits(fixture.batch(), AttentionPlan.FULL).dup().data().asFloat();
        assertClose(
            Fixture.floats(expected, "merged_logits_full"), logits, BOUND, "merged_logits_full");
      }
    }
  }

  @ParameterizedTest
  @MethodSource("models")
  void tenAdamWSteps(Fixture fixture, @TempDir Path temp) throws IOException {
    assumeTrue(fixture.hasAdapter());
    TrainingConfig config =
        TrainingConfig.builder(10)
            .optLearningRate(1e-2)
            .optWarmupSteps(0)
            .optWeightDecay(0.01)
            .optMaxGradNorm(0)
            .optAttention(fixture.plan("sf_0.25"))
            .build();
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm base = CausalLm.load(fixture.base(), device);
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base);
        LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), config)) {
      float[] losses = Fixture.floats(expected, "adamw_losses");
      for (float reference : losses) {
        StepResult result = trainer.step(fixture.batch());
        assertEquals(reference, result.loss(), LOSS_BOUND * reference, "step " + result.step());
      }
      adapter.save(temp.resolve("after"));
    }
    // AdamW divides by a gradient's own size, so where that is rounding noise a single element may
    // move by a share of the learning rate: the tensors are compared as vectors.
    checkTensors(
        fixture.folder().resolve("adapter_after_10_steps"),
        temp.resolve("after"),
        (name, reference, value) ->
            assertEquals(0, Errors.relativeNorm(reference, value), BOUND, name));
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

  /** What is to be written; weights that are tied count under one of their names. */
  private static Set<String> names(Path adapter, SafeTensorsFile reference) {
    LoraConfig config = LoraConfig.read(adapter);
    Set<String> names = new TreeSet<>(reference.names());
    if (config.ensureWeightTying() && !config.modulesToSave().contains("lm_head")) {
      names.remove("base_model.model.lm_head.weight");
    }
    return names;
  }

  /** A comparison of a tensor with its reference. */
  @FunctionalInterface
  private interface TensorCheck {
    void check(String name, float[] reference, float[] value);
  }

  private static void checkTensors(Path expected, Path actual, TensorCheck check)
      throws IOException {
    String file = "adapter_model.safetensors";
    try (SafeTensorsFile reference = SafeTensorsFile.open(expected.resolve(file));
        SafeTensorsFile written = SafeTensorsFile.open(actual.resolve(file))) {
      Set<String> more = new TreeSet<>(written.names());
      more.removeAll(reference.names());
      if (LoraConfig.read(expected).bias() == LoraBias.LORA_ONLY) {
        // PEFT trains these biases and, looking for them under another name, does not store them.
        more.removeIf(name -> name.endsWith(".base_layer.bias"));
      }
      assertEquals(Set.of(), more, "tensors that PEFT does not write");
      for (String name : names(expected, reference)) {
        assertEquals(reference.info(name), written.info(name), name);
        check.check(name, Fixture.floats(reference, name), Fixture.floats(written, name));
      }
    }
  }
}
