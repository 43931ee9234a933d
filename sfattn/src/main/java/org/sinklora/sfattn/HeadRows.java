package org.sinklora.sfattn;

import org.sinklora.compute.CpuTensor;
import org.sinklora.compute.Heads;

/** Copies between heads in a tensor and heap arrays. */
final class HeadRows {
  private final Heads heads;
  private final CpuTensor data;

  HeadRows(Heads heads) {
    this.heads = heads;
    this.data = (CpuTensor) heads.data();
  }

  int heads() {
    return heads.heads();
  }

  int headDim() {
    return heads.headDim();
  }

  /** Reads one head of one token. */
  void read(int token, int head, float[] destination, int at) {
    data.read(heads.index(token, head), destination, at, heads.headDim());
  }

  /** Writes one head of one token. */
  void write(int token, int head, float[] source, int at) {
    data.write(heads.index(token, head), source, at, heads.headDim());
  }

  /** Reads all heads of a token, side by side. */
  void readToken(int token, float[] destination) {
    int dim = heads.headDim();
    if (heads.headStride() == dim) {
      data.read(heads.index(token, 0), destination, 0, heads.heads() * dim);
      return;
    }
    for (int head = 0; head < heads.heads(); head++) {
      read(token, head, destination, head * dim);
    }
  }

  /** Writes all heads of a token that lie side by side in {@code source}. */
  void writeToken(int token, float[] source) {
    int dim = heads.headDim();
    if (heads.headStride() == dim) {
      data.write(heads.index(token, 0), source, 0, heads.heads() * dim);
      return;
    }
    for (int head = 0; head < heads.heads(); head++) {
      write(token, head, source, head * dim);
    }
  }
}
