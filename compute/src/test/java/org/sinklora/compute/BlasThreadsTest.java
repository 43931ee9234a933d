package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.bytedeco.openblas.global.openblas;
import org.junit.jupiter.api.Test;

/**
 * The device shares out its products itself; with OpenBLAS's own threads on top the two fight for
 * the cores and a training step takes several times as long.
 */
class BlasThreadsTest {
  @Test
  void openBlasHasOneThreadAlsoAfterTheFirstArray() {
    try (CpuDevice device = new CpuDevice(2)) {
      device.allocate(8).close();
      assertEquals(1, openblas.blas_get_num_threads());
    }
  }
}
