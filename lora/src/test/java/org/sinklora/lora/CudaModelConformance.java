package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import org.sinklora.sfattn.AttentionPattern;

/**
 * {@link ModelConformance} on a GPU, and what memory plans and repetition do there. Nothing of the
 * CPU's engine is touched: a GPU host need not have its libraries.
 */
@Tag("gpu")
abstract class CudaModelConformance extends ModelConformance {
  private static final AttentionPlan SF = AttentionPlan.of(AttentionPattern.sinkFixed(64, 0.25, 4));

  static CudaDevice open(CudaPrecision precision) {
    assumeFalse(CudaDevice.list().isEmpty(), CudaDevice::whyNone);
    return CudaDevice.open(0, precision);
  }

  static List<String> ropeTypes() throws IOException {
    return RopeReferenceTest.types().toList();
  }

  @ParameterizedTest
  @MethodSource("ropeTypes")
  void ropeTypesOnAnInputBeyondTheContext(String type) throws IOException {
    RopeReferenceTest.check(
        device(), type, (expected, actual) -> assertClose(expected, actual, bound(), type));
  }

  /** Head dims 32 and 128, grouped queries, tied and own head, two architectures. */
  private static ModelConfig small(String shape) {
    ModelConfig config = NamedShapes.of(shape);
    var json = config.json();
    json.put("num_hidden_layers", 5);
    if (!shape.equals("bundled")) {
      json.put("vocab_size", 1000);
      json.put("hidden_size", 512);
      json.put("intermediate_size", 1000);
      json.put("num_attention_heads", 4);
      if (json.has("num_key_value_heads")) {
        json.put("num_key_value_heads", 2);
      }
    }
    return ModelConfig.parse(json, shape);
  }

  private static TokenBatch batch() {
    SplittableRandom random = new SplittableRandom(7);
    return TokenBatch.of(random.ints(300, 0, 1000).toArray(), random.ints(123, 0, 1000).toArray());
  }

  @ParameterizedTest
  @ValueSource(strings = {"bundled", "llama2-7b", "pythia-1.4b"})
  void everyPlanGivesTheSameGradientsAndTakesWhatItSays(String shape) {
    ModelConfig config = small(shape);
    try (CausalLm base = CausalLm.random(config, device(), 3);
        LoraAdapter adapter = randomAdapter(base)) {
      CausalLm model = base.withAdapter(adapter);
      int layers = config.numHiddenLayers();
      float[] expected =
          gradients(model, 423, Collections.nCopies(layers, KeptActivations.ALL), false);
      float[] again =
          gradients(model, 423, Collections.nCopies(layers, KeptActivations.ALL), false);
      assertArrayEquals(expected, again, "the same twice");
      for (int tile : new int[] {423, 128}) {
        for (KeptActivations level : KeptActivations.values()) {
          List<KeptActivations> mixed = new ArrayList<>(Collections.nCopies(layers, level));
          mixed.set(1, KeptActivations.INPUT);
          float[] kept = gradients(model, tile, mixed, false);
          Errors.assertClose(expected, kept, bound(), shape + " " + tile + level);
          assertArrayEquals(kept, gradients(model, tile, mixed, true), "parked " + level);
        }
      }
    }
  }

  private static LoraAdapter randomAdapter(CausalLm base) {
    LoraAdapter adapter = LoraAdapter.create(base, StepBench.adapter(base.config()), 5);
    SplittableRandom random = new SplittableRandom(6);
    float[] values = adapter.values();
    for (int i = 0; i < values.length; i++) {
      values[i] += (float) (0.02 * random.nextGaussian());
    }
    adapter.setValues(values);
    adapter.flat().requireGradients();
    return adapter;
  }

  private float[] gradients(
      CausalLm model, int tileRows, List<KeptActivations> layers, boolean parked) {
    MemoryPlan.Request request =
        new MemoryPlan.Request(
            model.config(),
            model.adapter().config(),
            model.quantization(),
            batch().tokens(),
            device().elementBytes(),
            device().logitsElements(),
            true,
            GradientCheckpointing.AUTO,
            Long.MAX_VALUE);
    MemoryPlan plan = new MemoryCount(request, tileRows).plan(layers, parked);
    FlatParameters flat = model.adapter().flat();
    try (ModelPass pass = new ModelPass(model)) {
      pass.follow(plan);
      device().fill(flat.gradients(), 0);
      pass.accumulateGradients(batch(), SF, 1f / batch().predictions(), null);
      long planned =
          plan.bytes(MemoryCount.LAYER_INPUTS)
              + plan.bytes(MemoryCount.KEPT)
              + plan.bytes(MemoryCount.LAYER)
              + plan.bytes(MemoryCount.TILE)
              + plan.bytes(MemoryCount.HEAD);
      assertTrue(pass.bytes() <= planned, pass.bytes() + " bytes, planned:\n" + plan);
      return flat.read(flat.gradients());
    }
  }

  @Test
  void aRunKeepsToItsLimitAndRepeatsBitForBit() {
    ModelConfig config = StepBench.extended(small("bundled"), 4096);
    List<Double> losses = new ArrayList<>();
    for (int run = 0; run < 2; run++) {
      try (CausalLm base = CausalLm.random(config, device(), 3);
          LoraAdapter adapter = randomAdapter(base)) {
        long limit = device().allocatedBytes() + (1L << 30);
        TrainingConfig settings =
            TrainingConfig.builder(3)
                .optLearningRate(1e-2)
                .optAttention(SF)
                .optWarmupSteps(0)
                .optMemoryLimit(limit)
                .build();
        device().resetPeakBytes();
        try (LoraTrainer trainer = new LoraTrainer(base.withAdapter(adapter), settings)) {
          int[] tokens = new SplittableRandom(run / 2).ints(4096, 0, 2048).toArray();
          for (int step = 0; step < 3; step++) {
            losses.add(trainer.step(TokenBatch.of(tokens)).loss());
          }
          assertTrue(device().peakBytes() <= limit, trainer.memoryPlan().toString());
        }
      }
    }
    assertEquals(losses.subList(0, 3), losses.subList(3, 6));
    assertTrue(losses.get(2) < losses.get(0), losses.toString());
  }
}
