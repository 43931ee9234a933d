package org.sinklora.lora;

import static org.sinklora.lora.Errors.assertClose;

import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.sinklora.compute.CpuDevice;

/** Logits of every kind of model and adapter against plain loops in double precision. */
class PlainModelTest {
  private static final CpuDevice DEVICE = new CpuDevice(1);

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
  void logitsOfTheBaseAndOfTheAdapter(Variant variant) throws IOException {
    Path folder = variant.base().writeTo(temp.resolve("base"));
    try (CausalLm base = CausalLm.load(folder, DEVICE);
        LoraAdapter adapter = variant.randomAdapter(base)) {
      PlainModel plain = PlainModel.read(folder, base.config());
      check(base, plain);
      check(base.withAdapter(adapter), plain.with(adapter.config(), Variant.parameters(adapter)));
    }
  }

  private static void check(CausalLm model, PlainModel plain) {
    try (ModelPass pass = new ModelPass(model)) {
      for (PatternCase pattern : PatternCase.all()) {
        TokenBatch batch = pattern.batch();
        float[] actual = pass.logits(batch, pattern.plan()).dup().data().asFloat();
        float[] expected = new float[actual.length];
        int at = 0;
        for (int d = 0; d < batch.documents().count(); d++) {
          for (double[] row : plain.logits(PlainModel.document(batch, d), pattern.plan())) {
            for (double logit : row) {
              expected[at++] = (float) logit;
            }
          }
        }
        assertClose(expected, actual, 1e-5, pattern.name());
      }
    }
  }
}
