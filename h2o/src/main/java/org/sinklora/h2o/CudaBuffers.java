package org.sinklora.h2o;

import java.util.HashMap;
import java.util.Map;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.compute.cuda.ElementType;

/**
 * Buffers on a GPU under the name of what they hold. A name's memory grows to the largest size
 * asked for and is then reused. No graph may hold one that can still grow.
 */
final class CudaBuffers implements AutoCloseable {
  private final CudaDevice device;
  private final Map<String, CudaTensor> buffers = new HashMap<>();

  CudaBuffers(CudaDevice device) {
    this.device = device;
  }

  /** That many elements; contents are undefined. */
  CudaTensor get(String name, ElementType type, long elements) {
    CudaTensor buffer = buffers.get(name);
    if (buffer == null || buffer.size() < elements) {
      if (buffer != null) {
        buffers.remove(name);
        buffer.close();
      }
      buffer = device.allocate(type, elements);
      buffers.put(name, buffer);
    }
    return buffer.view(0, elements);
  }

  long bytes() {
    return buffers.values().stream().mapToLong(CudaTensor::bytes).sum();
  }

  @Override
  public void close() {
    buffers.values().forEach(CudaTensor::close);
    buffers.clear();
  }
}
