package org.sinklora.compute.cuda;

/**
 * What there is to know of a GPU before it is opened.
 *
 * @param ordinal number among the GPUs this process sees, from 0
 * @param name product name
 * @param computeCapability ten times the major version plus the minor one: 90 is Hopper
 * @param multiprocessors number of streaming multiprocessors
 * @param memoryBytes all of its memory
 * @param sharedBytes most shared memory a block of threads may ask for
 * @param driverVersion newest CUDA version the driver supports, e.g. {@code 13.0}
 */
public record CudaInfo(
    int ordinal,
    String name,
    int computeCapability,
    int multiprocessors,
    long memoryBytes,
    int sharedBytes,
    String driverVersion) {

  /**
   * The architecture that kernels are compiled for. {@code sm_90a} and {@code sm_100a} also have
   * the instructions that exist on that one generation alone, such as Hopper's warp-group products.
   */
  public String architecture() {
    boolean specific = computeCapability == 90 || computeCapability == 100;
    return "sm_" + computeCapability + (specific ? "a" : "");
  }
}
