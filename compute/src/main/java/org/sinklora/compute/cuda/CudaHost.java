package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
import static org.bytedeco.cuda.global.cudart.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;
import static org.bytedeco.cuda.global.cudart.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
import static org.bytedeco.cuda.global.cudart.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT;
import static org.bytedeco.cuda.global.cudart.cuDeviceGet;
import static org.bytedeco.cuda.global.cudart.cuDeviceGetAttribute;
import static org.bytedeco.cuda.global.cudart.cuDeviceGetCount;
import static org.bytedeco.cuda.global.cudart.cuDeviceGetName;
import static org.bytedeco.cuda.global.cudart.cuDeviceTotalMem;
import static org.bytedeco.cuda.global.cudart.cuDriverGetVersion;
import static org.bytedeco.cuda.global.cudart.cuInit;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.global.nvrtc;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.SizeTPointer;

/**
 * What this machine has: looked at once, when first asked for. Nothing here throws; a machine
 * without a GPU is an ordinary machine.
 *
 * @param gpus the GPUs, in the driver's order
 * @param whyNone why there are none, in a line; empty when there are
 */
record CudaHost(List<CudaInfo> gpus, String whyNone) {
  /** Looks at the machine when the class is first used. */
  private static final class Found {
    static final CudaHost HOST = look();
  }

  /** Looks for NCCL when the class is first used; one GPU does without. */
  private static final class Nccl {
    static final String PROBLEM = load("NCCL (libnccl.so.2)", nccl.class);
  }

  static CudaHost get() {
    return Found.HOST;
  }

  /** Why GPUs can't compute together here, in a line; empty when they can. */
  static String whyNoNccl() {
    if (get().gpus().isEmpty()) {
      return get().whyNone();
    }
    return Nccl.PROBLEM == null ? "" : Nccl.PROBLEM.replaceAll("\\s+", " ").trim();
  }

  /**
   * @throws CudaException if it can't be loaded
   */
  static void requireNccl() {
    String why = whyNoNccl();
    if (!why.isEmpty()) {
      throw new CudaException(
          "Several GPUs exchange gradients through NCCL: %s. Install NCCL 2.14 or newer for CUDA 13, or train with one GPU"
              .formatted(why));
    }
  }

  private static CudaHost none(String why) {
    return new CudaHost(List.of(), why.replaceAll("\\s+", " ").trim());
  }

  private static CudaHost look() {
    String failed = load("the NVIDIA driver or the CUDA 13 runtime", cudart.class);
    if (failed != null) {
      return none(failed);
    }
    try {
      int result = cuInit(0);
      if (result != 0) {
        return none("The NVIDIA driver finds no usable GPU: " + CudaStatus.driver(result));
      }
      List<CudaInfo> gpus = describeAll();
      if (gpus.isEmpty()) {
        return none("The NVIDIA driver finds no GPU");
      }
      failed = load("the CUDA 13 run-time compiler", nvrtc.class);
      if (failed == null) {
        failed = load("the CUDA 13 matrix library", cublas.class);
      }
      return failed == null ? new CudaHost(gpus, "") : none(failed);
    } catch (LinkageError | RuntimeException e) {
      return none("The NVIDIA driver does not work: " + e.getMessage());
    }
  }

  /** Why a library can't be loaded, or null if it can. */
  private static String load(String what, Class<?> binding) {
    try {
      Loader.load(binding);
      return null;
    } catch (LinkageError | RuntimeException e) {
      return "%s can't be loaded (%s)".formatted(capital(what), reason(e));
    }
  }

  private static String capital(String what) {
    return Character.toUpperCase(what.charAt(0)) + what.substring(1);
  }

  /** The innermost message; the loader wraps what the linker said, behind the library's path. */
  static String reason(Throwable thrown) {
    Throwable inner = thrown;
    while (inner.getCause() != null && inner.getCause() != inner) {
      inner = inner.getCause();
    }
    String message = String.valueOf(inner.getMessage());
    return message.startsWith("/") && message.contains(": ")
        ? message.substring(message.indexOf(": ") + 2)
        : message;
  }

  private static List<CudaInfo> describeAll() {
    int[] value = new int[1];
    expect(cuDriverGetVersion(value), "cuDriverGetVersion");
    String driver = value[0] / 1000 + "." + value[0] % 1000 / 10;
    expect(cuDeviceGetCount(value), "cuDeviceGetCount");
    int count = value[0];
    List<CudaInfo> gpus = new ArrayList<>();
    for (int ordinal = 0; ordinal < count; ordinal++) {
      gpus.add(describe(ordinal, driver));
    }
    return List.copyOf(gpus);
  }

  private static CudaInfo describe(int ordinal, String driver) {
    int[] device = new int[1];
    expect(cuDeviceGet(device, ordinal), "cuDeviceGet");
    byte[] name = new byte[256];
    expect(cuDeviceGetName(name, name.length, device[0]), "cuDeviceGetName");
    int end = 0;
    while (end < name.length && name[end] != 0) {
      end++;
    }
    try (SizeTPointer bytes = new SizeTPointer(1)) {
      expect(cuDeviceTotalMem(bytes, device[0]), "cuDeviceTotalMem");
      return new CudaInfo(
          ordinal,
          new String(name, 0, end, StandardCharsets.UTF_8),
          10 * attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device[0])
              + attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device[0]),
          attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device[0]),
          bytes.get(),
          attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, device[0]),
          driver);
    }
  }

  private static int attribute(int which, int device) {
    int[] value = new int[1];
    expect(cuDeviceGetAttribute(value, which, device), "cuDeviceGetAttribute");
    return value[0];
  }

  private static void expect(int result, String call) {
    if (result != 0) {
      throw new CudaException(call + ": " + CudaStatus.driver(result));
    }
  }
}
