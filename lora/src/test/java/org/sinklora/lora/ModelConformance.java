package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.safetensors.Dtype;
import org.sinklora.lora.safetensors.SafeTensorsFile;

/**
 * The models on a device against PyTorch, Transformers and PEFT: logits of every pattern, losses,
 * gradients, merged weights, ten optimiser steps. Runs on every model folder under {@code
 * -Dsinklora.fixtures=DIR}.
 */
abstract class ModelConformance {

  /** The device under test. */
  abstract Device device();

  /** Largest {@link #error} of logits and gradients. */
  abstract double bound();

  /** How far logits or a gradient are from the reference's: the largest difference. */
  double error(float[] expected, float[] actual) {
    return Errors.relative(expected, actual);
  }

  void assertClose(float[] expected, float[] actual, double bound, String what) {
    double error = error(expected, actual);
    assertTrue(error <= bound, "%s: relative error %.3g above %.1g".formatted(what, error, bound));
  }

  /** Largest relative error of a loss. */
  abstract double lossBound();

  static Stream<Fixture> models() throws IOException {
    return Fixture.models();
  }

  @ParameterizedTest
  @MethodSource("models")
  void logitsAndLossesOfEveryPattern(Fixture fixture) throws IOException {
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm model = CausalLm.load(fixture.base(), device());
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

  private void checkLogits(
      Fixture fixture, ModelPass pass, SafeTensorsFile expected, String pattern, String prefix)
      throws IOException {
    TokenBatch batch = fixture.batch();
    float[] logits = pass.logitsArray(batch, fixture.plan(pattern));
    String logitsName = prefix + "logits_" + pattern;
    assertClose(Fixture.floats(expected, logitsName), logits, bound(), logitsName);
    String lossName = prefix + "loss_" + pattern;
    if (expected.names().contains(lossName)) {
      double loss = 0;
      for (float l : pass.losses(batch, fixture.plan(pattern))) {
        loss += l;
      }
      double reference = Fixture.floats(expected, lossName)[0];
      assertEquals(reference, loss / batch.predictions(), lossBound() * reference, lossName);
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
        CausalLm base = CausalLm.load(fixture.base(), device());
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
    adapter.parameters().forEach(parameter -> device().fill(parameter.gradient(), 0));
    float scale = 1f / batch.predictions();
    double loss = pass.accumulateGradients(batch, fixture.plan(pattern), scale, null);
    double reference = Fixture.floats(expected, "adapter_loss_" + pattern)[0];
    assertEquals(reference, loss * scale, lossBound() * reference);

    Path file = fixture.folder().resolve("grads_" + pattern + ".safetensors");
    Map<String, float[]> gradients = Fixture.gradients(file);
    assertEquals(
        gradients.keySet().stream().toList(),
        adapter.parameters().stream().map(Parameter::name).sorted().toList());
    SortedMap<String, float[]> ours = new TreeMap<>();
    for (Parameter parameter : adapter.parameters()) {
      ours.put(parameter.name(), values(parameter.gradient().size(), parameter.gradient()));
    }
    compareGradients(pattern, new TreeMap<>(gradients), ours);
  }

  /** Compares the gradients of all parameters, by name. */
  void compareGradients(
      String pattern, SortedMap<String, float[]> expected, SortedMap<String, float[]> actual) {
    expected.forEach(
        (name, gradient) ->
            assertClose(gradient, actual.get(name), bound(), pattern + " gradient of " + name));
  }

  private float[] values(long size, Tensor tensor) {
    float[] values = new float[Math.toIntExact(size)];
    device().download(tensor, values, 0);
    return values;
  }

  @ParameterizedTest
  @MethodSource("models")
  void mergedModelHasTheAdaptersLogits(Fixture fixture, @TempDir Path temp) throws IOException {
    assumeTrue(fixture.hasAdapter());
    Path merged = temp.resolve("merged");
    try (SafeTensorsFile expected = fixture.expected();
        CausalLm base = CausalLm.load(fixture.base(), device());
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base)) {
      assumeTrue(expected.names().contains("merged_logits_full"));
      // In F32, whatever the base is stored in: the reference was merged in F32 too.
      base.withAdapter(adapter).saveMerged(merged, Dtype.F32);
      try (CausalLm model = CausalLm.load(merged, device());
          ModelPass pass = new ModelPass(model)) {
        float[] logits = pass.logitsArray(fixture.batch(), AttentionPlan.FULL);
        assertClose(
            Fixture.floats(expected, "merged_logits_full"), logits, bound(), "merged_logits_full");
      }
    }
  }

  /** Against a model that is stored with the values that four bits can hold. */
  @ParameterizedTest
  @MethodSource("models")
  void fourBitsAreTheModelOfTheirValues(Fixture fixture, @TempDir Path temp) throws IOException {
    assumeTrue(fixture.hasAdapter());
    Path rounded = Files.createDirectories(temp.resolve("rounded"));
    ModelConfig config = ModelConfig.read(fixture.base());
    config.write(rounded);
    EditedTensors tensors = EditedTensors.of(fixture.base().resolve("model.safetensors"));
    long before = device().allocatedBytes();
    float[] packed;
    try (CausalLm model = CausalLm.load(fixture.base(), config, device(), Quantization.NF4)) {
      if (!device().hasHostMemory()) { // Else it also counts what transfers need.
        assertEquals(
            Quantization.NF4.bytes(model.architecture(), Float.BYTES),
            device().allocatedBytes() - before);
      }
      Set<String> names = Quantization.NF4.packed(model.architecture());
      assertFalse(names.isEmpty(), "nothing is in four bits");
      for (String name : names) {
        device().download(model.weight(name), tensors.values(name), 0);
      }
      tensors.writeTo(rounded.resolve("model.safetensors"));
      packed = logitsAndGradients(model, fixture);
      assertThrows(
          IllegalStateException.class,
          () -> model.withAdapter(LoraAdapter.load(fixture.adapter(), model)).saveMerged(temp));
    }
    try (CausalLm model = CausalLm.load(rounded, device())) {
      assertArrayEquals(logitsAndGradients(model, fixture), packed);
    }
  }

  private float[] logitsAndGradients(CausalLm base, Fixture fixture) throws IOException {
    AttentionPlan plan = fixture.plan("sf_0.25");
    try (LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base);
        ModelPass pass = new ModelPass(base.withAdapter(adapter))) {
      adapter.flat().requireGradients();
      device().fill(adapter.flat().gradients(), 0);
      float[] logits = pass.logitsArray(fixture.batch(), plan);
      pass.accumulateGradients(fixture.batch(), plan, 1, null);
      float[] gradients = adapter.flat().read(adapter.flat().gradients());
      float[] both = Arrays.copyOf(logits, logits.length + gradients.length);
      System.arraycopy(gradients, 0, both, logits.length, gradients.length);
      return both;
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
        CausalLm base = CausalLm.load(fixture.base(), device());
        LoraAdapter adapter = LoraAdapter.load(fixture.adapter(), base);
        LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), config)) {
      float[] losses = Fixture.floats(expected, "adamw_losses");
      for (float reference : losses) {
        StepResult result = trainer.step(fixture.batch());
        assertEquals(reference, result.loss(), lossBound() * reference, "step " + result.step());
      }
      adapter.save(temp.resolve("after"));
    }
    if (device().elementBytes() < Float.BYTES) {
      return; // What rounding does to single elements AdamW magnifies: the losses are to be
      // compared.
    }
    // AdamW divides by a gradient's own size, so where that is rounding noise a single element may
    // move by a share of the learning rate: the tensors are compared as vectors.
    checkTensors(
        fixture.folder().resolve("adapter_after_10_steps"),
        temp.resolve("after"),
        (name, reference, value) ->
            assertEquals(0, Errors.relativeNorm(reference, value), bound(), name));
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
  interface TensorCheck {
    void check(String name, float[] reference, float[] value);
  }

  static void checkTensors(Path expected, Path actual, TensorCheck check) throws IOException {
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
