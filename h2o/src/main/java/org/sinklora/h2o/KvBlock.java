package org.sinklora.h2o;

import org.sinklora.sfattn.TileKernels;

/**
 * Keys and values of a number of slots, for all kv heads of a layer.
 *
 * <p>Keys lie in panels of {@link #PANEL} slots, component by component with the slots side by
 * side, so that a query meets {@link #PANEL} keys without a reduction across lanes. Values lie slot
 * by slot.
 */
abstract sealed class KvBlock permits FloatKvBlock, BfloatKvBlock, Int8KvBlock {
  /** Slots of a panel. */
  static final int PANEL = TileKernels.QUERIES;

  private final int slots;
  private final int dim;
  private final int valueStride;

  KvBlock(int slots, int dim) {
    this.slots = slots;
    this.dim = dim;
    this.valueStride = valueStride(dim);
  }

  static KvBlock allocate(CachePrecision precision, int heads, int slots, int dim) {
    return switch (precision) {
      case FLOAT32 -> new FloatKvBlock(heads, slots, dim);
      case BFLOAT16 -> new BfloatKvBlock(heads, slots, dim);
      case INT8 -> new Int8KvBlock(heads, slots, dim);
    };
  }

  static long bytes(CachePrecision precision, int heads, int slots, int dim) {
    long components = (long) heads * slots * (dim + valueStride(dim));
    return switch (precision) {
      case FLOAT32 -> components * Float.BYTES;
      case BFLOAT16 -> components * Short.BYTES;
      case INT8 -> components + 2L * heads * slots * Float.BYTES;
    };
  }

  /** Components of a value, filled up to whole vectors. */
  static int valueStride(int dim) {
    return TileKernels.best().padded(dim);
  }

  final int slots() {
    return slots;
  }

  final int dim() {
    return dim;
  }

  final int valueStride() {
    return valueStride;
  }

  static int keyElements(int heads, int slots, int dim) {
    return Math.multiplyExact(Math.multiplyExact(heads, slots), dim);
  }

  static int valueElements(int heads, int slots, int dim) {
    return Math.multiplyExact(Math.multiplyExact(heads, slots), valueStride(dim));
  }

  /** First element of a panel of keys: components are {@link #PANEL} elements apart. */
  final int keyAt(int head, int panel) {
    return (head * slots + panel * PANEL) * dim;
  }

  /** First element of a slot's value. */
  final int valueAt(int head, int slot) {
    return (head * slots + slot) * valueStride;
  }

  /** Stores a token's key and value. */
  abstract void write(int head, int slot, float[] key, int keyAt, float[] value, int valueAt);

  /**
   * A panel of keys in float32: [dim, PANEL] from {@link #keyPanelAt} on, either the block's own
   * memory or {@code room}.
   */
  abstract float[] keyPanel(int head, int panel, float[] room);

  abstract int keyPanelAt(int head, int panel);

  /** A panel of values in float32: [PANEL, valueStride] from {@link #valuePanelAt} on. */
  abstract float[] valuePanel(int head, int panel, float[] room);

  abstract int valuePanelAt(int head, int panel);

  /** The same contents in arrays of its own. */
  abstract KvBlock copy();

  /** Bytes of the arrays that are allocated. */
  abstract long bytes();
}
