package org.sinklora.compute.cuda;

import static org.bytedeco.cuda.global.cudart.CUDA_ERROR_OUT_OF_MEMORY;
import static org.bytedeco.cuda.global.cudart.CU_STREAM_NON_BLOCKING;
import static org.bytedeco.cuda.global.cudart.cuCtxSetCurrent;
import static org.bytedeco.cuda.global.cudart.cuDeviceGet;
import static org.bytedeco.cuda.global.cudart.cuDevicePrimaryCtxRetain;
import static org.bytedeco.cuda.global.cudart.cuMemAlloc;
import static org.bytedeco.cuda.global.cudart.cuMemFree;
import static org.bytedeco.cuda.global.cudart.cuMemGetInfo;
import static org.bytedeco.cuda.global.cudart.cuMemsetD8Async;
import static org.bytedeco.cuda.global.cudart.cuStreamCreate;
import static org.bytedeco.cuda.global.cudart.cuStreamDestroy;
import static org.bytedeco.cuda.global.cudart.cuStreamSynchronize;

import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.bytedeco.cuda.cudart.CUctx_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.SizeTPointer;
import org.sinklora.compute.AllocatedBytes;

/**
 * One GPU's primary context, its single stream and its memory.
 *
 * <p>The context stays for as long as the process: libraries such as cuBLAS keep state in it that
 * they would look for in vain after it was released and made anew.
 *
 * <p>Memory whose tensor was forgotten instead of closed is handed in by the garbage collector's
 * thread and freed by the next allocation: the driver is called from one thread at a time.
 */
final class CudaContext {
  /** The context that is current on each thread; no one else in this process changes it. */
  private static final ThreadLocal<CudaContext> CURRENT = new ThreadLocal<>();

  private static final int COLLECTIONS_BEFORE_GIVING_UP = 3;

  private final CudaInfo info;
  private final CUctx_st context = new CUctx_st();
  private final CUstream_st stream = new CUstream_st();
  private final Queue<CudaMemory.Block> forgotten = new ConcurrentLinkedQueue<>();
  private final AllocatedBytes allocated = new AllocatedBytes();
  private boolean capturing;
  private volatile boolean closed;

  CudaContext(CudaInfo info) {
    this.info = info;
    int[] handle = new int[1];
    check(cuDeviceGet(handle, info.ordinal()), "cuDeviceGet");
    check(cuDevicePrimaryCtxRetain(context, handle[0]), "cuDevicePrimaryCtxRetain");
    makeCurrent();
    check(cuStreamCreate(stream, CU_STREAM_NON_BLOCKING), "cuStreamCreate");
  }

  CudaInfo info() {
    return info;
  }

  CUstream_st stream() {
    return stream;
  }

  /** To be called before any call into CUDA, on whichever thread. */
  void enter() {
    if (closed) {
      throw new IllegalStateException(label() + " is closed");
    }
    makeCurrent();
  }

  private void makeCurrent() {
    if (CURRENT.get() != this) {
      check(cuCtxSetCurrent(context), "cuCtxSetCurrent");
      CURRENT.set(this);
    }
  }

  /** Turns a result of the driver into an exception unless it is a success. */
  void check(int result, String call) {
    if (result != 0) {
      throw failure(call, CudaStatus.driver(result));
    }
  }

  /** The exception for a call that failed, with the state of the memory. */
  CudaException failure(String call, String error) {
    long[] memory = memory();
    return new CudaException(
        "%s failed on %s: %s. %s of %s are free there, %s are this device's own."
            .formatted(
                call,
                label(),
                error,
                CudaOutOfMemoryException.size(memory[0]),
                CudaOutOfMemoryException.size(memory[1]),
                CudaOutOfMemoryException.size(allocated.now())));
  }

  String label() {
    return "cuda:" + info.ordinal() + " (" + info.name() + ")";
  }

  /** Free and total bytes; zeros where the GPU is beyond answering. */
  long[] memory() {
    try (SizeTPointer free = new SizeTPointer(1);
        SizeTPointer total = new SizeTPointer(1)) {
      return cuMemGetInfo(free, total) == 0
          ? new long[] {free.get(), total.get()}
          : new long[] {0, info.memoryBytes()};
    }
  }

  void synchronize() {
    enter();
    check(cuStreamSynchronize(stream), "cuStreamSynchronize");
  }

  /** While launches are recorded instead of run, memory can be neither had nor given back. */
  void capturing(boolean now) {
    capturing = now;
  }

  boolean isCapturing() {
    return capturing;
  }

  void refuseWhileCapturing(String what) {
    if (capturing) {
      throw new IllegalStateException(
          what
              + " while launches are being captured: run the same work once before the capture, on"
              + " the same arrays, so that its buffers exist");
    }
  }

  /**
   * Memory of at least {@code bytes} bytes with undefined contents, aligned to 256 bytes.
   *
   * @throws CudaOutOfMemoryException if there is no room
   */
  CudaMemory allocate(long bytes) {
    enter();
    refuseWhileCapturing("Memory was asked for");
    freeForgotten();
    long[] address = new long[1];
    int result = cuMemAlloc(address, bytes);
    for (int i = 0; result == CUDA_ERROR_OUT_OF_MEMORY && i < COLLECTIONS_BEFORE_GIVING_UP; i++) {
      collect();
      freeForgotten();
      result = cuMemAlloc(address, bytes);
    }
    if (result == CUDA_ERROR_OUT_OF_MEMORY) {
      long[] memory = memory();
      throw new CudaOutOfMemoryException(label(), bytes, memory[0], memory[1], allocated.now());
    }
    check(result, "cuMemAlloc");
    synchronized (this) {
      allocated.add(bytes);
    }
    return CudaMemory.allocated(this, address[0], bytes);
  }

  /** Sets bytes to zero, in the stream's order. */
  void clear(long address, long bytes) {
    enter();
    check(cuMemsetD8Async(address, (byte) 0, bytes, stream), "cuMemsetD8Async");
  }

  /** Forgotten tensors may hold what is missing. */
  private static void collect() {
    System.gc();
    try {
      Thread.sleep(20);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void freeForgotten() {
    for (CudaMemory.Block memory = forgotten.poll(); memory != null; memory = forgotten.poll()) {
      free(memory);
    }
  }

  /** From the garbage collector's thread, or during a capture: frees the memory later. */
  void freeLater(CudaMemory.Block memory) {
    if (closed) {
      free(memory);
    } else {
      forgotten.add(memory);
    }
  }

  /** Frees memory as soon as the work that was asked for by now no longer needs it. */
  synchronized void free(CudaMemory.Block memory) {
    if (capturing) {
      forgotten.add(memory);
      return;
    }
    makeCurrent();
    if (!closed) {
      check(cuStreamSynchronize(stream), "cuStreamSynchronize");
    }
    check(cuMemFree(memory.address()), "cuMemFree");
    allocated.add(-memory.bytes());
  }

  AllocatedBytes allocated() {
    return allocated;
  }

  /** Ends the stream; tensors keep their memory. */
  synchronized void close() {
    if (closed) {
      return;
    }
    makeCurrent();
    freeForgotten();
    check(cuStreamSynchronize(stream), "cuStreamSynchronize");
    check(cuStreamDestroy(stream), "cuStreamDestroy");
    closed = true;
  }
}
