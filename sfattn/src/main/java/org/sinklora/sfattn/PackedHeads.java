package org.sinklora.sfattn;

import java.util.Arrays;

/**
 * Heads as the kernels read them: an array for each head, a row for each token, rows padded with
 * zeros to whole vectors. Segments and sinks are ranges of rows, so nothing is gathered or rolled.
 */
final class PackedHeads {
  private float[][] heads = {};
  private int stride;

  /** Makes room. Contents are undefined; arrays that are long enough are kept. */
  void reshape(int headCount, int tokens, int rowStride) {
    if (headCount > heads.length) {
      heads = Arrays.copyOf(heads, headCount);
    }
    int length = Math.multiplyExact(tokens, rowStride);
    for (int head = 0; head < headCount; head++) {
      if (heads[head] == null || heads[head].length < length) {
        heads[head] = new float[length];
      }
    }
    stride = rowStride;
  }

  float[] head(int head) {
    return heads[head];
  }

  /** Elements from a row to the next. */
  int stride() {
    return stride;
  }

  /** First element of a token's row. */
  int at(int token) {
    return token * stride;
  }

  /**
   * Reads tokens {@code [from, to)} of all heads.
   *
   * @param row room for a token
   */
  void load(HeadRows source, int from, int to, float[] row) {
    int dim = source.headDim();
    for (int token = from; token < to; token++) {
      source.readToken(token, row);
      int at = at(token);
      for (int head = 0; head < source.heads(); head++) {
        System.arraycopy(row, head * dim, heads[head], at, dim);
        Arrays.fill(heads[head], at + dim, at + stride, 0f);
      }
    }
  }

  /**
   * Writes tokens {@code [from, to)}, summing the heads that share one of {@code destination} in
   * the order of their numbers.
   *
   * @param row room for a token of the destination
   */
  void storeSums(int headCount, HeadRows destination, int from, int to, float[] row) {
    int dim = destination.headDim();
    int group = headCount / destination.heads();
    for (int token = from; token < to; token++) {
      int at = at(token);
      for (int shared = 0; shared < destination.heads(); shared++) {
        System.arraycopy(heads[shared * group], at, row, shared * dim, dim);
        for (int head = shared * group + 1; head < (shared + 1) * group; head++) {
          for (int c = 0; c < dim; c++) {
            row[shared * dim + c] += heads[head][at + c];
          }
        }
      }
      destination.writeToken(token, row);
    }
  }

  void release() {
    heads = new float[][] {};
  }
}
