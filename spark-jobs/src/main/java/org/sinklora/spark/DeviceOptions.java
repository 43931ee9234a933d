package org.sinklora.spark;

import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaInfo;
import org.sinklora.compute.cuda.CudaPrecision;
import picocli.CommandLine.Option;

/** What computes. */
final class DeviceOptions {
  private static final Pattern GPU = Pattern.compile("cuda(:(\\d{1,4}))?");

  /** What {@code --device} may be. */
  static final String NAMES = "auto, cpu, cuda or cuda:N";

  @Option(
      names = "--device",
      defaultValue = "auto",
      paramLabel = "DEVICE",
      description =
          "cpu, cuda, cuda:N, or auto: the first GPU, the CPU where there is none. With a Spark"
              + " master 'train' takes cuda as the GPUs of the executors. Default:"
              + " ${DEFAULT-VALUE}.")
  private String device;

  @Option(
      names = "--precision",
      description =
          "In what a GPU keeps frozen weights and activations: ${COMPLETION-CANDIDATES}. Default:"
              + " bfloat16. The CPU computes in float32.")
  private CudaPrecision precision;

  /** Whether a word is one of {@value #NAMES}. */
  static boolean isName(String word) {
    return word.equals("auto") || word.equals("cpu") || GPU.matcher(word).matches();
  }

  /** Whether the command line leaves the choice open. */
  boolean isAuto() {
    return device.equals("auto");
  }

  /** Whether the command line asks for a GPU. */
  boolean isGpu() {
    return GPU.matcher(device).matches();
  }

  /** Whether it says which. */
  boolean namesGpu() {
    return isGpu() && device.contains(":");
  }

  /** What a GPU computes in. */
  CudaPrecision gpuPrecision() {
    return precision == null ? CudaPrecision.BFLOAT16 : precision;
  }

  /**
   * The device that was chosen, or that is there.
   *
   * @throws UserException if there is no such device, or none at all
   */
  DeviceChoice resolve() {
    if (!isName(device)) {
      throw new UserException("--device is '%s'; choose %s".formatted(device, NAMES));
    }
    Matcher gpu = GPU.matcher(device);
    boolean wantsGpu = gpu.matches();
    List<CudaInfo> gpus = device.equals("cpu") ? List.of() : CudaDevice.list();
    if (wantsGpu) {
      int ordinal = gpu.group(2) == null ? 0 : Integer.parseInt(gpu.group(2));
      if (ordinal >= gpus.size()) {
        throw new UserException(
            gpus.isEmpty()
                ? "--device is %s, but there is no GPU: %s".formatted(device, CudaDevice.whyNone())
                : "--device is %s, but the last GPU is cuda:%d".formatted(device, gpus.size() - 1));
      }
      return DeviceChoice.gpu(gpus.get(ordinal), precision);
    }
    if (!gpus.isEmpty()) {
      return DeviceChoice.gpu(gpus.get(0), precision);
    }
    if (precision == CudaPrecision.BFLOAT16) {
      throw new UserException("--precision bfloat16 is for a GPU; the CPU computes in float32");
    }
    return DeviceChoice.cpu(isAuto() ? "no GPU: " + CudaDevice.whyNone() : "as asked");
  }
}
