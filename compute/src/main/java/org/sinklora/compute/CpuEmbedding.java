package org.sinklora.compute;

/** Rows gathered from a table, and their gradients added back to it. */
final class CpuEmbedding {
  private static final int TOKENS_PER_ITEM = 256;

  private final CpuWorkers workers;

  CpuEmbedding(CpuWorkers workers) {
    this.workers = workers;
  }

  void forward(CpuTensor table, int[] ids, CpuTensor y) {
    int c = Math.toIntExact(table.dim(-1));
    checkIds(ids, table.dim(0));
    workers.forEach(
        (ids.length + TOKENS_PER_ITEM - 1) / TOKENS_PER_ITEM,
        (item, scratch) -> {
          float[] row = scratch.floats(0, c);
          int end = Math.min(ids.length, (item + 1) * TOKENS_PER_ITEM);
          for (int i = item * TOKENS_PER_ITEM; i < end; i++) {
            table.read((long) ids[i] * c, row, 0, c);
            y.write((long) i * c, row, 0, c);
          }
        });
  }

  /** Each worker owns a range of table rows and walks all tokens in order: no two write one row. */
  void backward(CpuTensor dY, int[] ids, CpuTensor dTable) {
    int c = Math.toIntExact(dTable.dim(-1));
    int rows = Math.toIntExact(dTable.dim(0));
    checkIds(ids, rows);
    int parts = workers.threads();
    workers.forEach(
        parts,
        (part, scratch) -> {
          int from = (int) ((long) rows * part / parts);
          int to = (int) ((long) rows * (part + 1) / parts);
          float[] sum = scratch.floats(0, c);
          float[] d = scratch.floats(1, c);
          for (int i = 0; i < ids.length; i++) {
            if (ids[i] >= from && ids[i] < to) {
              dTable.read((long) ids[i] * c, sum, 0, c);
              dY.read((long) i * c, d, 0, c);
              for (int j = 0; j < c; j++) {
                sum[j] += d[j];
              }
              dTable.write((long) ids[i] * c, sum, 0, c);
            }
          }
        });
  }

  private static void checkIds(int[] ids, long rows) {
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= rows) {
        throw new IllegalArgumentException(
            "Token id %d at %d is outside the vocabulary of %d: was the text made with another tokenizer?"
                .formatted(ids[i], i, rows));
      }
    }
  }
}
