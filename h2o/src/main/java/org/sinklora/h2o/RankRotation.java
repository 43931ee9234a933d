package org.sinklora.h2o;

import org.sinklora.compute.VectorUnit;

/**
 * Rotates panels of keys that were stored as they are by their place in the cache ({@link
 * RopePositions#CACHE}).
 */
final class RankRotation {
  private final RopeAngles angles;
  private final int pairs;
  private final PanelRotation kernel =
      VectorUnit.isPresent() ? VectorPanelRotation.INSTANCE : PlainPanelRotation.INSTANCE;
  private float[] cos = {};
  private float[] sin = {};
  private int length;

  RankRotation(RopeAngles angles) {
    this.angles = angles;
    this.pairs = angles.pairs();
  }

  /** Makes the table for that many places; to be called by one thread, before a step. */
  void reserve(int places) {
    if (places <= length) {
      return;
    }
    length = Math.max(places, 2 * length);
    cos = new float[Math.multiplyExact(pairs, length)];
    sin = new float[cos.length];
    float[] c = new float[pairs];
    float[] s = new float[pairs];
    for (int place = 0; place < length; place++) {
      angles.fill(angles.frequencies(place + 1), place, c, s, 0);
      // Pair by pair: the kernel gathers one pair's cosines for the slots of a panel.
      for (int i = 0; i < pairs; i++) {
        cos[i * length + place] = c[i];
        sin[i * length + place] = s[i];
      }
    }
  }

  /**
   * Rotates one panel.
   *
   * @param keys [dim, 64] from {@code at} on
   * @param ranks place of each slot, from {@code ranksAt} on
   * @param slots slots of the panel that are in use
   * @param out [dim, 64]
   */
  void apply(float[] keys, int at, int dim, int[] ranks, int ranksAt, int slots, float[] out) {
    kernel.rotate(keys, at, pairs, cos, sin, length, ranks, ranksAt, slots, out);
    int rotated = 2 * pairs * KvBlock.PANEL;
    System.arraycopy(keys, at + rotated, out, rotated, dim * KvBlock.PANEL - rotated);
  }
}
