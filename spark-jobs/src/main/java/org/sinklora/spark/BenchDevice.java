package org.sinklora.spark;

import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaPrecision;
import picocli.CommandLine.Option;

/**
 * The device of a measurement. The CPU's classes are not touched where a GPU computes: a GPU host
 * need not have their native libraries.
 */
final class BenchDevice {
  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "auto",
      description = "auto, cpu, cuda or cuda:N; auto takes a GPU if there is one.")
  private String device;

  @Option(
      names = "--precision",
      defaultValue = "bfloat16",
      description =
          "Weights and activations on a GPU: ${COMPLETION-CANDIDATES}. Default: ${DEFAULT-VALUE}.")
  private CudaPrecision precision;

  @Option(
      names = "--threads",
      defaultValue = "0",
      description = "Threads of the CPU. Default: all cores.")
  private int threads;

  Device open() {
    if (device.equals("cpu")) {
      return cpu();
    }
    if (device.equals("auto")) {
      return CudaDevice.list().isEmpty() ? cpu() : CudaDevice.open(0, precision);
    }
    if (device.matches("cuda(:\\d{1,3})?")) {
      int ordinal = device.equals("cuda") ? 0 : Integer.parseInt(device.substring(5));
      return CudaDevice.open(ordinal, precision);
    }
    throw new UserException("--device is '%s'; choose auto, cpu, cuda or cuda:N".formatted(device));
  }

  private Device cpu() {
    return new CpuDevice(threads > 0 ? threads : Runtime.getRuntime().availableProcessors());
  }
}
