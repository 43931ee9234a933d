package org.sinklora.h2o;

import org.sinklora.lora.safetensors.FloatBits;

/** Slots in bfloat16, widened panel by panel. */
final class BfloatKvBlock extends KvBlock {
  private final Widening widening = Widening.best();
  private final short[] keys;
  private final short[] values;

  BfloatKvBlock(int heads, int slots, int dim) {
    super(slots, dim);
    keys = new short[keyElements(heads, slots, dim)];
    values = new short[valueElements(heads, slots, dim)];
  }

  private BfloatKvBlock(BfloatKvBlock other) {
    super(other.slots(), other.dim());
    keys = other.keys.clone();
    values = other.values.clone();
  }

  @Override
  void write(int head, int slot, float[] key, int keyAt, float[] value, int valueAt) {
    int keySlot = keyAt(head, slot / PANEL) + slot % PANEL;
    int valueSlot = valueAt(head, slot);
    for (int c = 0; c < dim(); c++) {
      keys[keySlot + c * PANEL] = FloatBits.toBfloat(key[keyAt + c]);
      values[valueSlot + c] = FloatBits.toBfloat(value[valueAt + c]);
    }
  }

  @Override
  float[] keyPanel(int head, int panel, float[] room) {
    widening.bfloat(keys, keyAt(head, panel), room, dim() * PANEL);
    return room;
  }

  @Override
  int keyPanelAt(int head, int panel) {
    return 0;
  }

  @Override
  float[] valuePanel(int head, int panel, float[] room) {
    widening.bfloat(values, valueAt(head, panel * PANEL), room, valueStride() * PANEL);
    return room;
  }

  @Override
  int valuePanelAt(int head, int panel) {
    return 0;
  }

  @Override
  KvBlock copy() {
    return new BfloatKvBlock(this);
  }

  @Override
  long bytes() {
    return ((long) keys.length + values.length) * Short.BYTES;
  }
}
