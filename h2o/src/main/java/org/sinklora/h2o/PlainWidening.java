package org.sinklora.h2o;

import org.sinklora.lora.safetensors.FloatBits;

/** One value at a time: the twin of {@link VectorWidening}. */
final class PlainWidening implements Widening {
  static final PlainWidening INSTANCE = new PlainWidening();

  @Override
  public void bfloat(short[] in, int at, float[] out, int n) {
    for (int i = 0; i < n; i++) {
      out[i] = FloatBits.fromBfloat(in[at + i]);
    }
  }

  @Override
  public void columnScaled(byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows) {
    for (int i = 0; i < rows * KvBlock.PANEL; i++) {
      out[i] = in[at + i] * scales[scalesAt + i % KvBlock.PANEL];
    }
  }

  @Override
  public void rowScaled(
      byte[] in, int at, float[] scales, int scalesAt, float[] out, int rows, int width) {
    for (int i = 0; i < rows * width; i++) {
      out[i] = in[at + i] * scales[scalesAt + i / width];
    }
  }
}
