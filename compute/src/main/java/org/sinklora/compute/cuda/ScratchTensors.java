package org.sinklora.compute.cuda;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Work space of kernels: a buffer for each name and type, which grows when more is asked for. */
final class ScratchTensors {
  private record Key(String name, ElementType type) {}

  private final CudaContext context;
  private final Map<Key, CudaTensor> buffers = new HashMap<>();

  /** Buffers that were outgrown but that a captured graph may write into. */
  private final List<CudaTensor> outgrown = new ArrayList<>();

  private boolean graphsMayUseThem;

  ScratchTensors(CudaContext context) {
    this.context = context;
  }

  /** From now on no buffer may go before the device does. */
  void keepAll() {
    graphsMayUseThem = true;
  }

  CudaTensor get(String name, ElementType type, long elements) {
    Key key = new Key(name, type);
    CudaTensor buffer = buffers.get(key);
    if (buffer == null || buffer.size() < elements) {
      buffer = grow(key, buffer, elements);
    }
    return buffer.view(0, elements);
  }

  private CudaTensor grow(Key key, CudaTensor buffer, long elements) {
    context.refuseWhileCapturing("Work space was asked for");
    if (buffer != null) {
      buffers.remove(key);
      if (graphsMayUseThem) {
        outgrown.add(buffer);
      } else {
        buffer.close();
      }
    }
    long bytes = Math.multiplyExact(elements, (long) key.type().bytes());
    CudaTensor larger = CudaTensor.owning(context.allocate(bytes), key.type(), elements);
    buffers.put(key, larger);
    return larger;
  }

  void close() {
    buffers.values().forEach(CudaTensor::close);
    outgrown.forEach(CudaTensor::close);
    buffers.clear();
    outgrown.clear();
  }
}
