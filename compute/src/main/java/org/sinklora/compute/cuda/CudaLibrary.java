package org.sinklora.compute.cuda;

import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.global.nvrtc;

/**
 * A library of CUDA on this machine.
 *
 * @param name what NVIDIA calls it
 * @param needed whether nothing runs on a GPU without
 * @param version of the library that is loaded; null if it can't be
 * @param problem why it can't be loaded; null if it is
 */
public record CudaLibrary(String name, boolean needed, String version, String problem) {

  /** All that are used or can be, loaded now. Never throws. */
  public static List<CudaLibrary> all() {
    return List.of(
        look("cudart", true, CudaLibrary::runtime),
        look("cublasLt", true, () -> dotted(cublas.cublasLtGetVersion(), 10_000)),
        look("nvrtc", true, CudaLibrary::compiler),
        look("cudnn", false, () -> dotted(cudnn.cudnnGetVersion(), 10_000)),
        look("nccl", false, CudaLibrary::collectives));
  }

  private static CudaLibrary look(String name, boolean needed, Supplier<String> version) {
    try {
      return new CudaLibrary(name, needed, version.get(), null);
    } catch (LinkageError | RuntimeException e) {
      return new CudaLibrary(name, needed, null, CudaHost.reason(e));
    }
  }

  private static String runtime() {
    int[] version = new int[1];
    cudart.cudaRuntimeGetVersion(version);
    return version[0] / 1000 + "." + version[0] % 1000 / 10;
  }

  private static String compiler() {
    int[] major = new int[1];
    int[] minor = new int[1];
    nvrtc.nvrtcVersion(major, minor);
    return major[0] + "." + minor[0];
  }

  private static String collectives() {
    int[] version = new int[1];
    nccl.ncclGetVersion(version);
    return dotted(version[0], 10_000);
  }

  /** Major, minor and patch of a number such as 22803 or 91400. */
  private static String dotted(long version, int major) {
    return "%d.%d.%d".formatted(version / major, version % major / 100, version % 100);
  }
}
