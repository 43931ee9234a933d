package org.sinklora.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class AllocatedBytesTest {
  @Test
  void theDeviceKnowsItsPeak() {
    try (CpuDevice device = new CpuDevice(1)) {
      Tensor kept = device.allocate(10);
      device.allocateActivations(5, 6).close();
      assertEquals(160, device.peakBytes());
      device.resetPeakBytes();
      assertEquals(40, device.peakBytes());
      kept.view(0, 2).close();
      kept.close();
      kept.close();
      device.allocateWeights(3).close();
      device.resetPeakBytes();
      assertEquals(0, device.peakBytes());
    }
  }
}
