package org.sinklora.spark;

import java.util.Locale;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaInfo;
import org.sinklora.compute.cuda.CudaPrecision;

/**
 * What a command computes on.
 *
 * @param gpu null for the CPU
 * @param precision of the GPU
 * @param reason why the CPU, or which GPU
 */
record DeviceChoice(CudaInfo gpu, CudaPrecision precision, String reason) {
  private static final String CPU_ENGINE = "org.nd4j.linalg.factory.Nd4j";

  /**
   * @param precision null for the GPU's usual one
   */
  static DeviceChoice gpu(CudaInfo gpu, CudaPrecision precision) {
    CudaPrecision chosen = precision == null ? CudaPrecision.BFLOAT16 : precision;
    return new DeviceChoice(gpu, chosen, gpu.name());
  }

  /**
   * @param reason why not a GPU
   * @throws UserException if what computes on the CPU isn't there either
   */
  static DeviceChoice cpu(String reason) {
    if (!hasCpuEngine()) {
      throw new UserException(
          "There is neither a GPU nor what computes on the CPU, ND4J, which a bundle does not hold (%s); run this on a GPU host, or as ./sinklora from a clone"
              .formatted(reason));
    }
    return new DeviceChoice(null, null, reason);
  }

  /** Whether the libraries are there that compute on the CPU. */
  static boolean hasCpuEngine() {
    return ClassPath.has(CPU_ENGINE);
  }

  boolean isGpu() {
    return gpu != null;
  }

  /**
   * Opens it.
   *
   * @param threads of the CPU; 0 for all cores
   */
  Device open(int threads) {
    if (isGpu()) {
      return CudaDevice.open(gpu.ordinal(), precision);
    }
    return threads > 0 ? new CpuDevice(threads) : new CpuDevice();
  }

  /**
   * The same device for exact results: what is written to a file must not be rounded on the way.
   */
  DeviceChoice exact() {
    return isGpu() ? gpu(gpu, CudaPrecision.FLOAT32) : this;
  }

  /** The choice in a line. */
  String describe() {
    return isGpu()
        ? "Device: cuda:%d (%s), %s"
            .formatted(gpu.ordinal(), gpu.name(), precision.name().toLowerCase(Locale.ROOT))
        : "Device: cpu (%s)".formatted(reason);
  }
}
