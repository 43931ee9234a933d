package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.atLeast;
import static org.sinklora.compute.cuda.Operands.columns;
import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.float32;
import static org.sinklora.compute.cuda.Operands.floats;
import static org.sinklora.compute.cuda.Operands.pack;

import java.util.Arrays;

/** Rows gathered from a table, and their gradients added back to it. */
final class CudaEmbedding {
  private static final int MOST_THREADS = 256;
  private static final int BACKWARD_THREADS = 64;

  private final CudaDevice device;
  private final IntArrays arrays;

  /** The last batch, which the next step may capture again. */
  private TokensById last = TokensById.of(new int[0]);

  CudaEmbedding(CudaDevice device, IntArrays arrays) {
    this.device = device;
    this.arrays = arrays;
  }

  /**
   * Where every id occurs.
   *
   * @param different number of different ids
   * @param packed the tokens by id and, for one id, in order; then where the tokens of each
   *     different id begin, and where the last one's end; then the different ids
   */
  record TokensById(int[] ids, int different, int[] packed) {
    static TokensById of(int[] ids) {
      int n = ids.length;
      long[] keys = new long[n];
      for (int i = 0; i < n; i++) {
        keys[i] = (long) ids[i] << 32 | i;
      }
      Arrays.sort(keys);
      int[] starts = new int[n + 1];
      int[] rows = new int[n];
      int different = 0;
      int[] packed = new int[3 * n + 1];
      for (int i = 0; i < n; i++) {
        int id = (int) (keys[i] >> 32);
        packed[i] = (int) keys[i];
        if (i == 0 || id != rows[different - 1]) {
          starts[different] = i;
          rows[different++] = id;
        }
      }
      starts[different] = n;
      System.arraycopy(starts, 0, packed, n, different + 1);
      System.arraycopy(rows, 0, packed, n + different + 1, different);
      return new TokensById(ids.clone(), different, Arrays.copyOf(packed, n + 2 * different + 1));
    }
  }

  void forward(CudaTensor table, int[] ids, CudaTensor y) {
    int c = columns(table);
    check(ids, table, y, c);
    int pack = pack(c, table, y);
    device
        .kernel(
            CudaEmbedding.class,
            "embedding.cu",
            "embedding",
            define("ELEMENT", floats(y)),
            define("WEIGHT", floats(table)),
            define("VEC", pack))
        .launch(
            ids.length,
            1,
            1,
            Math.min(MOST_THREADS, (c / pack + 31) / 32 * 32),
            0,
            table,
            arrays.onDevice(ids),
            y,
            c);
  }

  void backward(CudaTensor dY, int[] ids, CudaTensor dTable) {
    int c = columns(dTable);
    check(ids, dTable, dY, c);
    float32(dTable);
    if (!Arrays.equals(last.ids(), ids)) {
      last = TokensById.of(ids);
    }
    int n = ids.length;
    int different = last.different();
    CudaTensor packed = arrays.onDevice(last.packed());
    int pack = pack(c, dY, dTable);
    device
        .kernel(
            CudaEmbedding.class,
            "embedding.cu",
            "embeddingBackward",
            define("ELEMENT", floats(dY)),
            define("VEC", pack))
        .launch(
            different,
            (c / pack + BACKWARD_THREADS - 1) / BACKWARD_THREADS,
            1,
            BACKWARD_THREADS,
            0,
            dY,
            packed.view(0, n),
            packed.view(n, different + 1),
            packed.view(n + different + 1L, different),
            dTable,
            c);
  }

  private static void check(int[] ids, CudaTensor table, CudaTensor y, int c) {
    if (ids.length == 0) {
      throw new IllegalArgumentException("There are no token ids");
    }
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= table.dim(0)) {
        throw new IllegalArgumentException(
            "Token id %d at %d is outside the vocabulary of %d: was the text made with another tokenizer?"
                .formatted(ids[i], i, table.dim(0)));
      }
    }
    atLeast(y, (long) ids.length * c);
  }
}
