package org.sinklora.h2o;

import jdk.incubator.vector.ByteVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;
import org.sinklora.compute.VectorMath;

/** Conversions on the Vector API. */
final class VectorWidening implements Widening {
  static final VectorWidening INSTANCE = new VectorWidening();

  private static final VectorSpecies<Float> FLOATS = VectorMath.SPECIES;
  private static final int LANES = FLOATS.length();
  private static final VectorSpecies<Integer> INTS =
      VectorSpecies.of(int.class, FLOATS.vectorShape());
  // As many values as a float vector has, in a half and a quarter of the bits; the quarter of a
  // 128-bit vector does not exist, so there the plain twin runs.
  private static final VectorSpecies<Short> SHORTS =
      VectorSpecies.of(
          short.class, VectorShape.forBitSize(Math.max(64, FLOATS.vectorBitSize() / 2)));
  private static final VectorSpecies<Byte> BYTES =
      VectorSpecies.of(
          byte.class, VectorShape.forBitSize(Math.max(64, FLOATS.vectorBitSize() / 4)));
  private static final boolean BYTES_FIT = BYTES.length() == LANES;

  private VectorWidening() {}

  @Override
  public void bfloat(short[] in, int at, float[] out, int n) {
    int i = 0;
    for (; i + LANES <= n; i += LANES) {
      IntVector bits =
          (IntVector)
              ShortVector.fromArray(SHORTS, in, at + i).convertShape(VectorOperators.S2I, INTS, 0);
      bits.lanewise(VectorOperators.LSHL, 16).reinterpretAsFloats().intoArray(out, i);
    }
    for (; i < n; i++) {
      out[i] = Float.intBitsToFloat(in[at + i] << 16);
    }
  }

  private static FloatVector widen(byte[] in, int at) {
    return (FloatVector)
        ByteVector.fromArray(BYTES, in, at).convertShape(VectorOperators.B2F, FLOATS, 0);
  }

  @Override
  public void columnScaled(byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows) {
    if (!BYTES_FIT) {
      PlainWidening.INSTANCE.columnScaled(in, at, scales, scalesAt, out, rows);
      return;
    }
    for (int column = 0; column < KvBlock.PANEL; column += LANES) {
      FloatVector scale = FloatVector.fromArray(FLOATS, scales, scalesAt + column);
      for (int row = 0, i = column; row < rows; row++, i += KvBlock.PANEL) {
        widen(in, at + i).mul(scale).intoArray(out, i);
      }
    }
  }

  @Override
  public void rowScaled(
      byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows, int width) {
    if (!BYTES_FIT) {
      PlainWidening.INSTANCE.rowScaled(in, at, scales, scalesAt, out, rows, width);
      return;
    }
    for (int row = 0; row < rows; row++) {
      float scale = scales[scalesAt + row];
      for (int column = 0; column < width; column += LANES) {
        int i = row * width + column;
        widen(in, at + i).mul(scale).intoArray(out, i);
      }
    }
  }
}
