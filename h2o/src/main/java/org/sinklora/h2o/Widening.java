package org.sinklora.h2o;

import org.sinklora.compute.VectorUnit;

/** Conversions of stored keys, values and weights to float32. Two implementations, one test. */
interface Widening {

  static Widening best() {
    return VectorUnit.isPresent() ? VectorWidening.INSTANCE : PlainWidening.INSTANCE;
  }

  /** {@code out[i] = in[at + i]} for bfloat16. */
  void bfloat(short[] in, int at, float[] out, int n);

  /** {@code out[r, c] = scales[scalesAt + c] · in[at + (r, c)]} for rows of 64 columns. */
  void columnScaled(byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows);

  /**
   * {@code out[r, c] = scales[scalesAt + r] · in[at + (r, c)]}.
   *
   * @param width columns, a multiple of the vector length
   */
  void rowScaled(byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows, int width);
}
