package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;

/** The plan against what is really allocated, and every plan against the plain one. */
class MemoryPlanTest {
  private static final CpuDevice DEVICE = new CpuDevice(1);
  private static final long GIB = 1L << 30;

  @TempDir Path temp;

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  static Stream<Variant> variants() {
    return Variant.all();
  }

  private static MemoryPlan plan(
      CausalLm model, int tokens, GradientCheckpointing checkpointing, long capacity) {
    return MemoryPlan.of(request(model, tokens, checkpointing, capacity));
  }

  private static MemoryPlan.Request request(
      CausalLm model, int tokens, GradientCheckpointing checkpointing, long capacity) {
    return new MemoryPlan.Request(
        model.config(),
        model.adapter().config(),
        model.quantization(),
        tokens,
        Float.BYTES,
        DEVICE.logitsElements(),
        false,
        checkpointing,
        capacity);
  }

  private static long activations(MemoryPlan plan) {
    return plan.bytes(MemoryCount.LAYER_INPUTS)
        + plan.bytes(MemoryCount.KEPT)
        + plan.bytes(MemoryCount.LAYER)
        + plan.bytes(MemoryCount.TILE)
        + plan.bytes(MemoryCount.HEAD);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyPlanTakesWhatItSaysAndChangesNoBit(Variant variant) throws IOException {
    Path folder = variant.base().writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.flat().requireGradients();
      CausalLm model = base.withAdapter(adapter);
      PatternCase pattern = PatternCase.all().get(1);
      int tokens = pattern.batch().tokens();
      Map<String, float[]> expected =
          gradients(model, pattern, plan(model, tokens, GradientCheckpointing.OFF, Long.MAX_VALUE));
      for (List<KeptActivations> layers :
          List.of(
              List.of(KeptActivations.INPUT, KeptActivations.INPUT),
              List.of(KeptActivations.INPUT, KeptActivations.ATTENTION),
              List.of(KeptActivations.ATTENTION, KeptActivations.ATTENTION),
              List.of(KeptActivations.ALL, KeptActivations.INPUT),
              List.of(KeptActivations.ATTENTION, KeptActivations.ALL))) {
        MemoryPlan kept = counted(model, tokens, tokens, layers);
        gradients(model, pattern, kept)
            .forEach(
                (name, gradient) ->
                    assertEquals(0, Errors.relative(expected.get(name), gradient), name + layers));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("variants")
  void tilesOfTheMlpAddUp(Variant variant) throws IOException {
    Path folder = variant.base().writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.flat().requireGradients();
      CausalLm model = base.withAdapter(adapter);
      PatternCase pattern = PatternCase.all().get(0);
      int tokens = pattern.batch().tokens();
      Map<String, float[]> expected =
          gradients(model, pattern, plan(model, tokens, GradientCheckpointing.OFF, Long.MAX_VALUE));
      for (KeptActivations level : KeptActivations.values()) {
        MemoryPlan tiled = counted(model, tokens, 7, List.of(level, level));
        gradients(model, pattern, tiled)
            .forEach(
                (name, gradient) ->
                    assertTrue(
                        Errors.relative(expected.get(name), gradient) < 2e-5, name + " " + level));
      }
    }
  }

  private static MemoryPlan counted(
      CausalLm model, int tokens, int tileRows, List<KeptActivations> layers) {
    MemoryPlan.Request request = request(model, tokens, GradientCheckpointing.AUTO, Long.MAX_VALUE);
    return new MemoryCount(request, tileRows).plan(layers, false);
  }

  private static Map<String, float[]> gradients(
      CausalLm model, PatternCase pattern, MemoryPlan plan) {
    try (ModelPass pass = new ModelPass(model)) {
      pass.follow(plan);
      DEVICE.fill(model.adapter().flat().gradients(), 0);
      float scale = 1f / pattern.batch().predictions();
      pass.accumulateGradients(pattern.batch(), pattern.plan(), scale, null);
      assertEquals(plan, pass.memoryPlan());
      double slack = pass.bytes() / (double) activations(plan);
      assertTrue(
          slack <= 1 && slack > 0.97,
          "%,d bytes allocated, planned:%n%s".formatted(pass.bytes(), plan));
      Map<String, float[]> gradients = new TreeMap<>();
      for (Parameter parameter : model.adapter().parameters()) {
        float[] gradient = new float[Math.toIntExact(parameter.gradient().size())];
        DEVICE.download(parameter.gradient(), gradient, 0);
        gradients.put(parameter.name(), gradient);
      }
      return gradients;
    }
  }

  @Test
  void aRunKeepsWithinItsLimit() throws IOException {
    Variant variant = Variant.named("lora on attention");
    TokenBatch batch = Variant.batch(1, 600);
    double[] losses = new double[2];
    for (int i = 0; i < 2; i++) {
      try (CausalLm base = CausalLm.load(variant.base().writeTo(temp), DEVICE);
          LoraAdapter adapter = variant.randomAdapter(base)) {
        CausalLm model = base.withAdapter(adapter);
        long needed = plan(model, 600, GradientCheckpointing.ON, Long.MAX_VALUE).bytes();
        long limit = DEVICE.allocatedBytes() + needed + MemoryPlan.kernelBytes() + 400_000;
        TrainingConfig config =
            TrainingConfig.builder(1).optWarmupSteps(0).optMemoryLimit(i == 0 ? 0 : limit).build();
        try (LoraTrainer trainer = new LoraTrainer(model, config)) {
          losses[i] = trainer.step(batch).loss();
          MemoryPlan plan = trainer.memoryPlan();
          assertEquals(i == 0 ? 2 : 0, plan.count(KeptActivations.ALL), plan.toString());
          assertEquals(i == 0 ? 0 : 2, plan.count(KeptActivations.ATTENTION), plan.toString());
        }
      }
    }
    assertEquals(losses[0], losses[1]);
  }

  private static MemoryPlan sevenBillion(int tokens, GradientCheckpointing mode, long capacity) {
    return sevenBillion(tokens, false, mode, capacity);
  }

  private static MemoryPlan sevenBillion(
      int tokens, boolean canPark, GradientCheckpointing mode, long capacity) {
    ModelConfig config = NamedShapes.of("llama2-7b");
    return MemoryPlan.of(
        new MemoryPlan.Request(
            config,
            StepBench.adapter(config),
            Quantization.NONE,
            tokens,
            2,
            1L << 28,
            canPark,
            mode,
            capacity));
  }

  @Test
  void sevenBillionParametersInEightyGigabytes() {
    long card = 79 * GIB;
    MemoryPlan most = sevenBillion(8192, GradientCheckpointing.AUTO, card);
    assertEquals(32, most.count(KeptActivations.ALL), most.toString());

    MemoryPlan peer = sevenBillion(32_768, GradientCheckpointing.AUTO, (long) (33.7 * GIB));
    assertTrue(peer.count(KeptActivations.INPUT) < 32, peer.toString());
    assertTrue(peer.bytes() <= 33.7 * GIB);

    MemoryPlan longest = sevenBillion(131_072, GradientCheckpointing.AUTO, card);
    assertTrue(longest.bytes() <= card, longest.toString());
    assertEquals(8192, longest.tileRows());
  }

  @Test
  void fourBitsAreCounted() {
    ModelConfig config = NamedShapes.of("llama2-7b");
    MemoryPlan plan =
        MemoryPlan.of(
            new MemoryPlan.Request(
                config,
                StepBench.adapter(config),
                Quantization.NF4,
                8192,
                2,
                1L << 28,
                false,
                GradientCheckpointing.AUTO,
                79 * GIB));
    // Seven linears in 32 layers at 4.5 bits; embedding, head and norms at 16.
    long linears = 32L * (4L * 4096 * 4096 + 3L * 4096 * 11008);
    long rest = 2L * 32_000 * 4096 + 65L * 4096;
    assertEquals(linears / 2 + linears / 16 + rest * 2, plan.bytes("frozen weights"));
    assertEquals(4096L * 11008 * 2, plan.bytes(MemoryCount.WIDENED));
  }

  @Test
  void layerInputsAreParkedOnlyWhereNothingElseFits() {
    long card = 78 * GIB;
    assertFalse(sevenBillion(131_072, true, GradientCheckpointing.AUTO, card).parked());
    MemoryPlan parked = sevenBillion(262_144, true, GradientCheckpointing.AUTO, card);
    assertEquals(30L * 262_144 * 4096 * 2, parked.parkedBytes(), parked.toString());
    assertEquals(3L * 262_144 * 4096 * 2, parked.bytes(MemoryCount.LAYER_INPUTS));
    assertTrue(parked.bytes() <= card, parked.toString());
    assertTrue(parked.toString().contains("host"), parked.toString());
  }

  /** Models of one to six layers: with and without inputs that leave the device. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 6})
  void parkingChangesNoBit(int layers) throws IOException {
    TinyModel tiny = TinyModel.llama("\"num_hidden_layers\": " + layers);
    Variant variant = new Variant("parked", tiny, Variant.named("lora on attention").adapter());
    try (CausalLm base = CausalLm.load(tiny.writeTo(temp.resolve("base")), DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.flat().requireGradients();
      CausalLm model = base.withAdapter(adapter);
      PatternCase pattern = PatternCase.all().get(1);
      int tokens = pattern.batch().tokens();
      List<KeptActivations> inputs = Collections.nCopies(layers, KeptActivations.INPUT);
      MemoryPlan kept = counted(model, tokens, tokens, inputs);
      MemoryPlan parked =
          new MemoryCount(request(model, tokens, GradientCheckpointing.ON, Long.MAX_VALUE), tokens)
              .plan(inputs, true);
      assertEquals(layers > 2, parked.parked());
      Map<String, float[]> expected = gradients(model, pattern, kept);
      gradients(model, pattern, parked)
          .forEach((name, gradient) -> assertArrayEquals(expected.get(name), gradient, name));
    }
  }

  @Test
  void whatDoesNotFitIsRefusedWithTheNumbers() {
    Exception error =
        assertThrows(
            IllegalStateException.class,
            () -> sevenBillion(524_288, GradientCheckpointing.AUTO, 79 * GIB));
    for (String part : new String[] {"524,288", "79.00 GiB", MemoryCount.LAYER_INPUTS, "shorter"}) {
      assertTrue(error.getMessage().contains(part), error.getMessage());
    }
    error =
        assertThrows(
            IllegalStateException.class,
            () -> sevenBillion(32_768, GradientCheckpointing.OFF, 79 * GIB));
    assertTrue(error.getMessage().contains("auto"), error.getMessage());
  }

  @ParameterizedTest
  @EnumSource(GradientCheckpointing.class)
  void theSwitchDecidesWhereMemoryDoesNot(GradientCheckpointing mode) {
    MemoryPlan plan = sevenBillion(1024, mode, Long.MAX_VALUE);
    KeptActivations expected =
        mode == GradientCheckpointing.ON ? KeptActivations.INPUT : KeptActivations.ALL;
    assertEquals(32, plan.count(expected));
    assertEquals(1024, plan.tileRows());
    assertEquals(mode, GradientCheckpointing.parse(mode.toString()));
  }
}
