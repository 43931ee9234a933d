package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CU_EVENT_DISABLE_TIMING;
import static org.bytedeco.cuda.global.cudart.cuEventCreate;
import static org.bytedeco.cuda.global.cudart.cuEventDestroy;
import static org.bytedeco.cuda.global.cudart.cuEventRecord;
import static org.bytedeco.cuda.global.cudart.cuEventSynchronize;
import static org.bytedeco.cuda.global.cudart.cuMemAllocHost;
import static org.bytedeco.cuda.global.cudart.cuMemFreeHost;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;

/**
 * Page-locked host memory that copies to and from the GPU pass through.
 *
 * <p>Two halves are filled in turn; before a half is used again, the copies out of it are waited
 * for. Small copies therefore never wait for the GPU, and large ones overlap with it.
 */
final class PinnedRing {
  private static final int ALIGNMENT = 64;

  private final CudaContext context;
  private final int half;
  private final Pointer memory = new Pointer();
  private final BytePointer bytes;
  private final CUevent_st[] copied = {new CUevent_st(), new CUevent_st()};
  private int current;
  private int used;

  /**
   * @param half bytes of a half, which is the longest run that can be reserved
   */
  PinnedRing(CudaContext context, int half) {
    this.context = context;
    this.half = half;
    context.enter();
    context.check(cuMemAllocHost(memory, 2L * half), "cuMemAllocHost");
    this.bytes = new BytePointer(memory).capacity(2L * half);
    for (CUevent_st event : copied) {
      context.check(cuEventCreate(event, CU_EVENT_DISABLE_TIMING), "cuEventCreate");
    }
  }

  int largestRun() {
    return half;
  }

  /** The memory, to be read or written at the offsets that were reserved. */
  BytePointer bytes() {
    return bytes;
  }

  /**
   * Room for a copy that the caller enqueues before it reserves again.
   *
   * @return where the room begins, in bytes
   */
  int reserve(int size) {
    int start = (used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (start + size > half) {
      context.check(cuEventRecord(copied[current], context.stream()), "cuEventRecord");
      current = 1 - current;
      // An event that was never recorded counts as reached.
      context.check(cuEventSynchronize(copied[current]), "cuEventSynchronize");
      start = 0;
    }
    used = start + size;
    return current * half + start;
  }

  void close() {
    context.enter();
    for (CUevent_st event : copied) {
      context.check(cuEventDestroy(event), "cuEventDestroy");
    }
    context.check(cuMemFreeHost(memory), "cuMemFreeHost");
  }
}
