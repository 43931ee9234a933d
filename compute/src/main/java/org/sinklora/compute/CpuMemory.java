package org.sinklora.compute;

import java.nio.FloatBuffer;
import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The memory behind {@link CpuTensor}s. Java buffers end at 2 GiB, so long memory is read and
 * written through several of them.
 */
final class CpuMemory {
  private static final int WINDOW_BITS = 28;

  private final int windowBits;
  private final int windowSize;
  private final INDArray flat;
  private final FloatPointer base;
  private final AllocatedBytes allocated;
  private final long bytes;
  private FloatBuffer[] windows;

  CpuMemory(INDArray flat, long size, AllocatedBytes allocated) {
    this(flat, size, allocated, WINDOW_BITS);
  }

  CpuMemory(INDArray flat, long size, AllocatedBytes allocated, int windowBits) {
    this.windowBits = windowBits;
    this.windowSize = 1 << windowBits;
    this.flat = flat;
    this.allocated = allocated;
    this.bytes = size * Float.BYTES;
    // addressPointer() includes a view's offset; address() and pointer() do not.
    this.base = new FloatPointer(flat.data().addressPointer());
    this.windows = new FloatBuffer[Math.toIntExact((size + windowSize - 1) >> windowBits)];
    for (int i = 0; i < windows.length; i++) {
      long start = (long) i << windowBits;
      windows[i] =
          new FloatPointer(base)
              .position(start)
              .limit(Math.min(size, start + windowSize))
              .asBuffer();
    }
    allocated.add(bytes);
  }

  INDArray flat() {
    return flat;
  }

  FloatPointer pointer(long index) {
    return new FloatPointer(base).position(index);
  }

  void read(long index, float[] destination, int at, int count) {
    int done = 0;
    while (done < count) {
      int inWindow = (int) ((index + done) & (windowSize - 1));
      int part = Math.min(count - done, windowSize - inWindow);
      window(index + done).get(inWindow, destination, at + done, part);
      done += part;
    }
  }

  void write(long index, float[] source, int at, int count) {
    int done = 0;
    while (done < count) {
      int inWindow = (int) ((index + done) & (windowSize - 1));
      int part = Math.min(count - done, windowSize - inWindow);
      window(index + done).put(inWindow, source, at + done, part);
      done += part;
    }
  }

  private FloatBuffer window(long index) {
    if (windows == null) {
      throw new IllegalStateException("The tensor was closed");
    }
    return windows[(int) (index >> windowBits)];
  }

  void close() {
    if (windows != null) {
      windows = null;
      flat.close();
      allocated.add(-bytes);
    }
  }
}
