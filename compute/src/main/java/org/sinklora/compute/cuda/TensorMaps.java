package org.sinklora.compute.cuda;

import java.util.LinkedHashMap;
import java.util.Map;

/** Tensor maps made before: making one costs more than a launch, and layers share their memory. */
final class TensorMaps {
  private static final int KEPT = 256;

  /** Memory is compared as an object: other memory at the same address is another key. */
  private record Key(
      CudaMemory memory,
      long address,
      long rows,
      long columns,
      long rowStride,
      int boxRows,
      int boxColumns) {}

  private final Map<Key, CudaTensorMap> maps =
      new LinkedHashMap<>(KEPT, 0.75f, true) {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, CudaTensorMap> eldest) {
          return size() > KEPT;
        }
      };
  private final CudaContext context;

  TensorMaps(CudaContext context) {
    this.context = context;
  }

  CudaTensorMap get(
      CudaTensor tensor, long rows, long columns, long rowStride, int boxRows, int boxColumns) {
    Key key =
        new Key(tensor.memory(), tensor.address(), rows, columns, rowStride, boxRows, boxColumns);
    CudaTensorMap map = maps.get(key);
    if (map == null) {
      map = new CudaTensorMap(context, tensor, rows, columns, rowStride, boxRows, boxColumns);
      maps.put(key, map);
    }
    return map;
  }
}
