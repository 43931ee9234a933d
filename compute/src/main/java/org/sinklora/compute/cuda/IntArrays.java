package org.sinklora.compute.cuda;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Token ids, positions and targets on the GPU. The same few arrays are used by many operations of a
 * step, so the last ones stay there, found again by their contents.
 */
final class IntArrays {
  private static final int KEPT = 16;

  private static final class Entry {
    int[] values;
    CudaTensor tensor;

    /** A captured graph reads it: it has to stay what it is. */
    boolean pinned;
  }

  private final CudaDevice device;
  private final CudaContext context;

  /** The most recently used first. */
  private final List<Entry> entries = new ArrayList<>();

  IntArrays(CudaDevice device, CudaContext context) {
    this.device = device;
    this.context = context;
  }

  /** The array's contents as a tensor, to be used by launches before the next call. */
  CudaTensor onDevice(int[] values) {
    Entry entry = find(values);
    if (entry == null) {
      entry = upload(values);
    }
    entry.pinned |= context.isCapturing();
    entries.remove(entry);
    entries.add(0, entry);
    return entry.tensor.view(0, values.length);
  }

  private Entry find(int[] values) {
    for (Entry entry : entries) {
      if (Arrays.equals(entry.values, values)) {
        return entry;
      }
    }
    return null;
  }

  private Entry upload(int[] values) {
    context.refuseWhileCapturing("Token numbers were uploaded");
    Entry entry = free();
    // Nothing may be found by contents that are not there, should what follows fail.
    entry.values = new int[0];
    if (entry.tensor == null || entry.tensor.size() < values.length) {
      if (entry.tensor != null) {
        entry.tensor.close();
        entry.tensor = null;
      }
      entry.tensor = device.allocate(ElementType.INT32, values.length);
    }
    device.upload(values, entry.tensor.view(0, values.length));
    entry.values = values.clone();
    return entry;
  }

  /**
   * A new entry, or the one that was not used for longest. Earlier launches keep what they read.
   */
  private Entry free() {
    long replaceable = entries.stream().filter(entry -> !entry.pinned).count();
    if (replaceable >= KEPT) {
      for (int i = entries.size() - 1; i >= 0; i--) {
        if (!entries.get(i).pinned) {
          return entries.remove(i);
        }
      }
    }
    return new Entry();
  }

  void close() {
    for (Entry entry : entries) {
      entry.tensor.close();
    }
    entries.clear();
  }
}
