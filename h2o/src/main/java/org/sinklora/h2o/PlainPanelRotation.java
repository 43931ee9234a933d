package org.sinklora.h2o;

/** One value at a time: the twin of {@link VectorPanelRotation}. */
final class PlainPanelRotation implements PanelRotation {
  static final PlainPanelRotation INSTANCE = new PlainPanelRotation();

  @Override
  public void rotate(
      float[] keys,
      int at,
      int pairs,
      float[] cos,
      float[] sin,
      int length,
      int[] ranks,
      int ranksAt,
      int slots,
      float[] out) {
    rotate(keys, at, pairs, cos, sin, length, ranks, ranksAt, 0, slots, out);
  }

  static void rotate(
      float[] keys,
      int at,
      int pairs,
      float[] cos,
      float[] sin,
      int length,
      int[] ranks,
      int ranksAt,
      int from,
      int to,
      float[] out) {
    for (int i = 0; i < pairs; i++) {
      int low = i * KvBlock.PANEL;
      int high = (i + pairs) * KvBlock.PANEL;
      for (int slot = from; slot < to; slot++) {
        float c = cos[i * length + ranks[ranksAt + slot]];
        float s = sin[i * length + ranks[ranksAt + slot]];
        float a = keys[at + low + slot];
        float b = keys[at + high + slot];
        out[low + slot] = a * c - b * s;
        out[high + slot] = b * c + a * s;
      }
    }
  }
}
