package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;

/**
 * Every gradient of every kind of model and adapter against central differences of the loss in
 * double precision: along a random direction, in which an error of any element shows.
 */
class GradientTest {
  private static final CpuDevice DEVICE = new CpuDevice(1);
  private static final double STEP = 1e-4;

  @TempDir Path temp;

  static Stream<Variant> variants() {
    return Variant.all();
  }

  @AfterAll
  static void closeDevice() {
    DEVICE.close();
  }

  @ParameterizedTest
  @MethodSource("variants")
  void everyGradientIsTheSlopeOfTheLoss(Variant variant) throws IOException {
    check(variant, false);
  }

  @ParameterizedTest
  @MethodSource("variants")
  void checkpointingChangesNoBit(Variant variant) throws IOException {
    Path folder = variant.base().writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.flat().requireGradients();
      CausalLm model = base.withAdapter(adapter);
      for (PatternCase pattern : PatternCase.all()) {
        Map<String, float[]> kept = gradients(model, pattern, false);
        gradients(model, pattern, true)
            .forEach(
                (name, gradient) ->
                    assertEquals(
                        0, Errors.relative(kept.get(name), gradient), pattern.name() + name));
      }
    }
  }

  private void check(Variant variant, boolean checkpointing) throws IOException {
    Path folder = variant.base().writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      adapter.flat().requireGradients();
      Map<String, double[]> parameters = Variant.parameters(adapter);
      PlainModel plain = PlainModel.read(folder, base.config()).with(adapter.config(), parameters);
      for (PatternCase pattern : PatternCase.all()) {
        gradients(base.withAdapter(adapter), pattern, checkpointing)
            .forEach(
                (name, gradient) ->
                    checkSlope(plain, pattern, name, parameters.get(name), gradient));
      }
    }
  }

  private static Map<String, float[]> gradients(
      CausalLm model, PatternCase pattern, boolean checkpointing) {
    Map<String, float[]> gradients = new TreeMap<>();
    try (ModelPass pass = new ModelPass(model, checkpointing)) {
      model.adapter().parameters().forEach(p -> DEVICE.fill(p.gradient(), 0));
      float scale = 1f / pattern.batch().predictions();
      pass.accumulateGradients(pattern.batch(), pattern.plan(), scale, null);
      for (Parameter parameter : model.adapter().parameters()) {
        float[] gradient = new float[Math.toIntExact(parameter.gradient().size())];
        DEVICE.download(parameter.gradient(), gradient, 0);
        gradients.put(parameter.name(), gradient);
      }
    }
    return gradients;
  }

  private static void checkSlope(
      PlainModel plain, PatternCase pattern, String name, double[] values, float[] gradient) {
    double[] direction = unitVector(values.length, name.hashCode());
    double slope = 0;
    double norm = 0;
    for (int i = 0; i < values.length; i++) {
      slope += gradient[i] * direction[i];
      norm += (double) gradient[i] * gradient[i];
    }
    double[] original = values.clone();
    move(values, original, direction, STEP);
    double above = plain.loss(pattern.batch(), pattern.plan());
    move(values, original, direction, -STEP);
    double below = plain.loss(pattern.batch(), pattern.plan());
    move(values, original, direction, 0);
    double expected = (above - below) / (2 * STEP);
    String what = "%s, gradient of %s".formatted(pattern.name(), name);
    assertTrue(norm > 0, what + " is zero");
    assertEquals(expected, slope, 1e-4 * Math.sqrt(norm / values.length) + 1e-8, what);
  }

  private static void move(double[] values, double[] from, double[] direction, double step) {
    for (int i = 0; i < values.length; i++) {
      values[i] = from[i] + step * direction[i];
    }
  }

  private static double[] unitVector(int size, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] direction = new double[size];
    double squares = 0;
    for (int i = 0; i < size; i++) {
      direction[i] = random.nextGaussian();
      squares += direction[i] * direction[i];
    }
    for (int i = 0; i < size; i++) {
      direction[i] /= Math.sqrt(squares);
    }
    return direction;
  }
}
