package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_EVENT_DISABLE_TIMING;
import static org.bytedeco.cuda.global.cudart.cuEventCreate;
import static org.bytedeco.cuda.global.cudart.cuEventDestroy;
import static org.bytedeco.cuda.global.cudart.cuEventRecord;
import static org.bytedeco.cuda.global.cudart.cuEventSynchronize;
import static org.bytedeco.cuda.global.cudart.cuMemAllocHost;
import static org.bytedeco.cuda.global.cudart.cuMemFreeHost;
import static org.bytedeco.cuda.global.cudart.cuMemcpyDtoHAsync;
import static org.bytedeco.cuda.global.cudart.cuMemcpyHtoDAsync;
import static org.bytedeco.cuda.global.cudart.cuStreamWaitEvent;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.javacpp.Pointer;
import org.sinklora.compute.ParkedTensor;
import org.sinklora.compute.Tensor;

/** Page-locked memory of the host, copied to and from on a stream of its own. */
final class CudaParkedTensor implements ParkedTensor {
  private final CudaContext context;
  private final CudaCopyStream copies;
  private final ElementType type;
  private final long size;
  private final Pointer memory = new Pointer();

  /** Reached when the GPU is done with what was asked of it before the copy. */
  private final CUevent_st ready = new CUevent_st();

  /** Reached when the copy is done. */
  private final CUevent_st copied = new CUevent_st();

  private boolean closed;

  CudaParkedTensor(CudaContext context, CudaCopyStream copies, CudaTensor like) {
    this.context = context;
    this.copies = copies;
    this.type = like.type();
    this.size = like.size();
    context.enter();
    context.check(cuEventCreate(ready, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    context.check(cuEventCreate(copied, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    context.check(
        cuMemAllocHost(memory, bytes(like)),
        "cuMemAllocHost of %,d bytes of the host's memory".formatted(bytes(like)));
  }

  private static long bytes(CudaTensor tensor) {
    return tensor.size() * tensor.type().bytes();
  }

  @Override
  public void store(Tensor source) {
    CudaTensor from = checked(source);
    begin();
    context.check(
        cuMemcpyDtoHAsync(memory, from.address(), bytes(from), copies.stream()),
        "cuMemcpyDtoHAsync");
    context.check(cuEventRecord(copied, copies.stream()), "cuEventRecord");
  }

  @Override
  public void load(Tensor destination) {
    CudaTensor to = checked(destination);
    begin();
    context.check(
        cuMemcpyHtoDAsync(to.address(), memory, bytes(to), copies.stream()), "cuMemcpyHtoDAsync");
    context.check(cuEventRecord(copied, copies.stream()), "cuEventRecord");
  }

  private void begin() {
    context.enter();
    context.refuseWhileCapturing("A tensor was parked");
    context.check(cuEventRecord(ready, context.stream()), "cuEventRecord");
    context.check(cuStreamWaitEvent(copies.stream(), ready, 0), "cuStreamWaitEvent");
  }

  private CudaTensor checked(Tensor tensor) {
    if (closed) {
      throw new IllegalStateException("The parked tensor was closed");
    }
    CudaTensor cuda = CudaTensor.of(tensor);
    if (cuda.context() != context || cuda.type() != type || cuda.size() > size) {
      throw new IllegalArgumentException(
          "%s does not fit into a place for %,d elements of %s on %s"
              .formatted(cuda, size, type, context.label()));
    }
    return cuda;
  }

  @Override
  public void await() {
    context.enter();
    context.check(cuStreamWaitEvent(context.stream(), copied, 0), "cuStreamWaitEvent");
  }

  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    context.enter();
    // An event that was never recorded counts as reached.
    context.check(cuEventSynchronize(copied), "cuEventSynchronize");
    context.check(cuEventDestroy(ready), "cuEventDestroy");
    context.check(cuEventDestroy(copied), "cuEventDestroy");
    context.check(cuMemFreeHost(memory), "cuMemFreeHost");
  }
}
