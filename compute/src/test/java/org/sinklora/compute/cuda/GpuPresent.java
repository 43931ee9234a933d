package org.sinklora.compute.cuda;

/** The condition of tests that need a GPU. */
public final class GpuPresent {
  private GpuPresent() {}

  /** Whether there is one to run on. */
  public static boolean isPresent() {
    return !CudaDevice.list().isEmpty();
  }
}
