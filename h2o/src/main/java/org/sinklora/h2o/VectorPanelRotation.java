package org.sinklora.h2o;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;
import org.sinklora.compute.VectorMath;

/** The rotation on the Vector API: cosines and sines are gathered, slots lie in the lanes. */
final class VectorPanelRotation implements PanelRotation {
  static final VectorPanelRotation INSTANCE = new VectorPanelRotation();

  private static final VectorSpecies<Float> SPECIES = VectorMath.SPECIES;
  private static final int LANES = SPECIES.length();

  private VectorPanelRotation() {}

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
    int slot = 0;
    for (; slot + LANES <= slots; slot += LANES) {
      for (int i = 0; i < pairs; i++) {
        int low = i * KvBlock.PANEL + slot;
        int high = (i + pairs) * KvBlock.PANEL + slot;
        FloatVector c = FloatVector.fromArray(SPECIES, cos, i * length, ranks, ranksAt + slot);
        FloatVector s = FloatVector.fromArray(SPECIES, sin, i * length, ranks, ranksAt + slot);
        FloatVector a = FloatVector.fromArray(SPECIES, keys, at + low);
        FloatVector b = FloatVector.fromArray(SPECIES, keys, at + high);
        a.mul(c).sub(b.mul(s)).intoArray(out, low);
        b.mul(c).add(a.mul(s)).intoArray(out, high);
      }
    }
    PlainPanelRotation.rotate(keys, at, pairs, cos, sin, length, ranks, ranksAt, slot, slots, out);
  }
}
