package org.sinklora.compute;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * Functions of whole vectors. To be loaded only where {@link VectorUnit#isPresent()}.
 *
 * <p>One such call per loop body: with several, C2 stops inlining, boxes the vectors and runs ten
 * times slower.
 */
public final class VectorMath {
  /** The widest vectors of this machine. */
  public static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;

  // Minimax polynomial of 2^f on [-1/2, 1/2], from the Cephes library's exp2f.
  private static final float C1 = 6.931472028550421e-1f;
  private static final float C2 = 2.402264791363012e-1f;
  private static final float C3 = 5.550332471162809e-2f;
  private static final float C4 = 9.618437357674640e-3f;
  private static final float C5 = 1.339887440266574e-3f;
  private static final float C6 = 1.535336188319500e-4f;

  // 1.5 · 2^23: adding it rounds to the nearest integer and leaves that in the low bits.
  private static final float ROUND = 12582912f;

  private VectorMath() {}

  /** {@code 2^x} for x ≤ 127, to 1e-7 relative; 0 for x below -126, also for -∞. */
  public static FloatVector exp2(FloatVector x) {
    VectorMask<Float> underflow = x.compare(VectorOperators.LT, -126f);
    FloatVector rounded = x.add(ROUND);
    FloatVector f = x.sub(rounded.sub(ROUND));
    FloatVector p =
        f.fma(constant(C6), constant(C5))
            .fma(f, constant(C4))
            .fma(f, constant(C3))
            .fma(f, constant(C2))
            .fma(f, constant(C1))
            .fma(f, constant(1f));
    // mul, not a shift: the same bits, and faster code from C2.
    return p.reinterpretAsInts()
        .add(rounded.reinterpretAsInts().mul(1 << 23))
        .reinterpretAsFloats()
        .blend(0f, underflow);
  }

  private static FloatVector constant(float value) {
    return FloatVector.broadcast(SPECIES, value);
  }
}
