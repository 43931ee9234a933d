package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
import static org.bytedeco.cuda.global.cudart.cuFuncSetAttribute;
import static org.bytedeco.cuda.global.cudart.cuLaunchKernel;

import org.bytedeco.cuda.cudart.CUfunc_st;
import org.bytedeco.javacpp.PointerPointer;

/** A function of a CUDA source, loaded and ready to be launched on its device's stream. */
public final class CudaKernel {
  /** Above this a function has to be told how much shared memory it may be given. */
  private static final int SHARED_WITHOUT_ASKING = 48 * 1024;

  private final CudaContext context;
  private final String name;
  private final CUfunc_st function;
  private final KernelArguments arguments;
  private int sharedAllowed = SHARED_WITHOUT_ASKING;

  CudaKernel(CudaContext context, String name, CUfunc_st function, KernelArguments arguments) {
    this.context = context;
    this.name = name;
    this.function = function;
    this.arguments = arguments;
  }

  /**
   * Runs the function behind everything that was launched before, without waiting for it.
   *
   * @param gridX blocks along x, at least 1
   * @param gridY blocks along y, 1 to 65,535
   * @param gridZ blocks along z, 1 to 65,535
   * @param threads threads of a block, 1 to 1,024
   * @param sharedBytes dynamic shared memory of a block
   * @param values the function's arguments in order: {@link CudaTensor} for a pointer, null for a
   *     null pointer, {@link Integer} for {@code int}, {@link Long} for {@code long long}, {@link
   *     Float} for {@code float}, {@link CudaTensorMap} for a tensor map by value
   * @throws CudaException if it can't be launched; an error of the kernel itself shows at a later
   *     call
   */
  public void launch(
      int gridX, int gridY, int gridZ, int threads, int sharedBytes, Object... values) {
    context.enter();
    if (sharedBytes > sharedAllowed) {
      context.check(
          cuFuncSetAttribute(
              function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, sharedBytes),
          "cuFuncSetAttribute of %s for %d bytes of shared memory".formatted(name, sharedBytes));
      sharedAllowed = sharedBytes;
    }
    int result =
        cuLaunchKernel(
            function,
            gridX,
            gridY,
            gridZ,
            threads,
            1,
            1,
            sharedBytes,
            context.stream(),
            arguments.set(values),
            (PointerPointer<?>) null);
    if (result != 0) {
      throw context.failure(
          "cuLaunchKernel of %s on a grid of %d × %d × %d blocks of %d threads with %d bytes"
              .formatted(name, gridX, gridY, gridZ, threads, sharedBytes),
          CudaStatus.driver(result));
    }
  }

  @Override
  public String toString() {
    return "CudaKernel " + name;
  }
}
