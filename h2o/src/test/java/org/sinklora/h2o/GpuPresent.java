package org.sinklora.h2o;

import org.sinklora.compute.cuda.CudaDevice;

/** The condition of tests that need a GPU. */
final class GpuPresent {
  static final String CONDITION = "org.sinklora.h2o.GpuPresent#isPresent";

  private GpuPresent() {}

  static boolean isPresent() {
    return !CudaDevice.list().isEmpty();
  }
}
