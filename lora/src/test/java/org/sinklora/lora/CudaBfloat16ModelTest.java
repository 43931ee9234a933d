package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SortedMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;

class CudaBfloat16ModelTest extends CudaModelConformance {
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    device = open(CudaPrecision.BFLOAT16);
  }

  @AfterAll
  static void close() {
    if (device != null) {
      device.close();
    }
  }

  @Override
  Device device() {
    return device;
  }

  @Override
  double bound() {
    return 2e-2;
  }

  /**
   * As vectors: rounding the weights of llama-gqa-embed-norm to bfloat16 moves a single logit by
   * 2.2 % of the largest, with all else in double precision; the norm of all by 1.2 %.
   */
  @Override
  double error(float[] expected, float[] actual) {
    return Errors.relativeNorm(expected, actual);
  }

  /**
   * All gradients as one vector, within what PyTorch's own bfloat16 is off on these models (0.034
   * with Transformers and PEFT, a single tensor up to 0.053). Rounding the base weights of
   * llama-mha alone, with all arithmetic in float32, is 0.021.
   */
  @Override
  void compareGradients(
      String pattern, SortedMap<String, float[]> expected, SortedMap<String, float[]> actual) {
    assertEquals(expected.keySet(), actual.keySet());
    assertClose(joined(expected), joined(actual), 3.5e-2, pattern + " gradients");
  }

  private static float[] joined(SortedMap<String, float[]> gradients) {
    float[] all = new float[gradients.values().stream().mapToInt(g -> g.length).sum()];
    int at = 0;
    for (float[] gradient : gradients.values()) {
      System.arraycopy(gradient, 0, all, at, gradient.length);
      at += gradient.length;
    }
    return all;
  }

  @Override
  double lossBound() {
    return 1e-2;
  }
}
