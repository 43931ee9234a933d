package org.sinklora.compute;

import java.util.Arrays;

/**
 * Heap arrays that one worker of a {@link CpuDevice} keeps between calls, so that kernels stage
 * tiles without allocating. Contents are whatever the last user of the slot left.
 */
public final class Scratch {
  private float[][] slots = new float[8][];

  /**
   * At least {@code length} floats, the same array for the same slot until a longer one is asked
   * for.
   */
  public float[] floats(int slot, int length) {
    if (slot >= slots.length) {
      slots = Arrays.copyOf(slots, Math.max(slot + 1, 2 * slots.length));
    }
    float[] floats = slots[slot];
    if (floats == null || floats.length < length) {
      floats = new float[length];
      slots[slot] = floats;
    }
    return floats;
  }
}
