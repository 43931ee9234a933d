package org.sinklora.h2o;

/** Slots in int8 with a scale for every token and head, widened panel by panel. */
final class Int8KvBlock extends KvBlock {
  private final Widening widening = Widening.best();
  private final byte[] keys;
  private final byte[] values;
  private final float[] keyScales;
  private final float[] valueScales;

  Int8KvBlock(int heads, int slots, int dim) {
    super(slots, dim);
    keys = new byte[keyElements(heads, slots, dim)];
    values = new byte[valueElements(heads, slots, dim)];
    keyScales = new float[heads * slots];
    valueScales = new float[heads * slots];
  }

  private Int8KvBlock(Int8KvBlock other) {
    super(other.slots(), other.dim());
    keys = other.keys.clone();
    values = other.values.clone();
    keyScales = other.keyScales.clone();
    valueScales = other.valueScales.clone();
  }

  @Override
  void write(int head, int slot, float[] key, int keyAt, float[] value, int valueAt) {
    float keyScale = Int8.scale(key, keyAt, dim());
    float valueScale = Int8.scale(value, valueAt, dim());
    keyScales[head * slots() + slot] = keyScale;
    valueScales[head * slots() + slot] = valueScale;
    int keySlot = keyAt(head, slot / PANEL) + slot % PANEL;
    int valueSlot = valueAt(head, slot);
    for (int c = 0; c < dim(); c++) {
      keys[keySlot + c * PANEL] = Int8.quantize(key[keyAt + c], keyScale);
      values[valueSlot + c] = Int8.quantize(value[valueAt + c], valueScale);
    }
  }

  @Override
  float[] keyPanel(int head, int panel, float[] room) {
    int scales = head * slots() + panel * PANEL;
    widening.columnScaled(keys, keyAt(head, panel), keyScales, scales, room, dim());
    return room;
  }

  @Override
  int keyPanelAt(int head, int panel) {
    return 0;
  }

  @Override
  float[] valuePanel(int head, int panel, float[] room) {
    int scales = head * slots() + panel * PANEL;
    int at = valueAt(head, panel * PANEL);
    widening.rowScaled(values, at, valueScales, scales, room, PANEL, valueStride());
    return room;
  }

  @Override
  int valuePanelAt(int head, int panel) {
    return 0;
  }

  @Override
  KvBlock copy() {
    return new Int8KvBlock(this);
  }

  @Override
  long bytes() {
    return (long) keys.length
        + values.length
        + ((long) keyScales.length + valueScales.length) * Float.BYTES;
  }
}
