package org.sinklora.compute.cuda;

import static org.sinklora.compute.cuda.Operands.columns;
import static org.sinklora.compute.cuda.Operands.define;
import static org.sinklora.compute.cuda.Operands.float32;
import static org.sinklora.compute.cuda.Operands.floats;
import static org.sinklora.compute.cuda.Operands.onePerColumn;
import static org.sinklora.compute.cuda.Operands.pack;
import static org.sinklora.compute.cuda.Operands.rows;

/** Biases, and sums over the rows of a matrix. */
final class CudaColumns {
  private static final int THREADS = 128;

  /** Most blocks that share out the rows of a column. */
  private static final int SHARES = 1024;

  private final CudaDevice device;

  CudaColumns(CudaDevice device) {
    this.device = device;
  }

  private CudaKernel kernel(String function, String... defines) {
    return device.kernel(CudaColumns.class, "columns.cu", function, defines);
  }

  /** Blocks that share out the rows, given how many stand side by side along the columns. */
  private int shares(int rows, int alongColumns) {
    int wanted = 16 * device.info().multiprocessors() / alongColumns;
    return Math.max(1, Math.min(Math.min(rows, SHARES), wanted));
  }

  void addBias(CudaTensor x, CudaTensor bias) {
    int c = columns(x);
    onePerColumn(bias, c);
    int pack = pack(c, x, bias);
    int alongColumns = (c / pack + THREADS - 1) / THREADS;
    kernel(
            "addBias",
            define("ELEMENT", floats(x)),
            define("WEIGHT", floats(bias)),
            define("VEC", pack))
        .launch(
            alongColumns, shares(rows(x), alongColumns), 1, THREADS, 0, x, bias, (long) rows(x), c);
  }

  void addBiasBackward(CudaTensor dY, CudaTensor dBias) {
    int c = columns(dY);
    onePerColumn(dBias, c);
    float32(dBias);
    int alongColumns = (c + THREADS - 1) / THREADS;
    int shares = shares(rows(dY), alongColumns);
    CudaTensor partial = device.scratch("columns", ElementType.FLOAT32, (long) shares * c);
    kernel("columnSums", define("ELEMENT", floats(dY)))
        .launch(alongColumns, shares, 1, THREADS, 0, dY, partial, (long) rows(dY), c);
    addParts(partial, c, shares, dBias);
  }

  /**
   * {@code target += Σ_part partial[part · stride …]}.
   *
   * @param target [c] in float32
   */
  void addParts(CudaTensor partial, long stride, int parts, CudaTensor target) {
    int c = (int) target.size();
    kernel("addColumns").launch((c + 31) / 32, 1, 1, 512, 0, partial, stride, parts, target, c);
  }
}
