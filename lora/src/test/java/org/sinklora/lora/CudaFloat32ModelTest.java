package org.sinklora.lora;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;

class CudaFloat32ModelTest extends CudaModelConformance {
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    device = open(CudaPrecision.FLOAT32);
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
    return 1e-4;
  }

  @Override
  double lossBound() {
    return 1e-5;
  }
}
