package org.sinklora.compute.cuda;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.condition.EnabledIf;
import org.sinklora.compute.Device;
import org.sinklora.compute.DeviceConformance;

@EnabledIf("org.sinklora.compute.cuda.GpuPresent#isPresent")
class CudaFloat32ConformanceTest extends DeviceConformance {
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    device = CudaDevice.open(0, CudaPrecision.FLOAT32);
  }

  @AfterAll
  static void close() {
    device.close();
  }

  @Override
  protected Device device() {
    return device;
  }

  @Override
  protected double tolerance() {
    return float32Tolerance();
  }
}
