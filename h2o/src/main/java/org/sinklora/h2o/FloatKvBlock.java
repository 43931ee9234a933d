package org.sinklora.h2o;

/** Slots in float32, read in place. */
final class FloatKvBlock extends KvBlock {
  private final float[] keys;
  private final float[] values;

  FloatKvBlock(int heads, int slots, int dim) {
    super(slots, dim);
    keys = new float[keyElements(heads, slots, dim)];
    values = new float[valueElements(heads, slots, dim)];
  }

  private FloatKvBlock(FloatKvBlock other) {
    super(other.slots(), other.dim());
    keys = other.keys.clone();
    values = other.values.clone();
  }

  @Override
  void write(int head, int slot, float[] key, int keyAt, float[] value, int valueAt) {
    int at = keyAt(head, slot / PANEL) + slot % PANEL;
    for (int c = 0; c < dim(); c++) {
      keys[at + c * PANEL] = key[keyAt + c];
    }
    System.arraycopy(value, valueAt, values, valueAt(head, slot), dim());
  }

  @Override
  float[] keyPanel(int head, int panel, float[] room) {
    return keys;
  }

  @Override
  int keyPanelAt(int head, int panel) {
    return keyAt(head, panel);
  }

  @Override
  float[] valuePanel(int head, int panel, float[] room) {
    return values;
  }

  @Override
  int valuePanelAt(int head, int panel) {
    return valueAt(head, panel * PANEL);
  }

  @Override
  KvBlock copy() {
    return new FloatKvBlock(this);
  }

  @Override
  long bytes() {
    return ((long) keys.length + values.length) * Float.BYTES;
  }
}
