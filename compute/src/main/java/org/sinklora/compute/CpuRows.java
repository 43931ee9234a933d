package org.sinklora.compute;

import java.util.Arrays;

/** Operations on the rows of matrices: normalisations, biases, rotary embedding, cross-entropy. */
final class CpuRows {
  /** Rows whose column sums are added up before they join the others': fixes the order. */
  private static final int BLOCK = 64;

  private final CpuWorkers workers;
  private final RowKernels kernels;
  private final Scratch reduction = new Scratch();

  CpuRows(CpuWorkers workers, RowKernels kernels) {
    this.workers = workers;
    this.kernels = kernels;
  }

  /** What is done to one row. */
  @FunctionalInterface
  private interface Row {
    /**
     * @param row index of the row
     * @param sums where the row's block collects its column sums, see {@link #forEachRow}
     * @param at first element of the block's sums in {@code sums}
     */
    void run(int row, Scratch scratch, float[] sums, int at);
  }

  private void forEachRow(int rows, Row task) {
    forEachRow(rows, 0, task);
  }

  /** Runs over all rows in blocks; returns an array [blocks, sumsPerBlock] that the rows filled. */
  private float[] forEachRow(int rows, int sumsPerBlock, Row task) {
    int blocks = (rows + BLOCK - 1) / BLOCK;
    float[] sums = reduction.floats(0, Math.multiplyExact(blocks, sumsPerBlock));
    Arrays.fill(sums, 0, blocks * sumsPerBlock, 0f);
    workers.forEach(
        blocks,
        (block, scratch) -> {
          int end = Math.min(rows, (block + 1) * BLOCK);
          for (int row = block * BLOCK; row < end; row++) {
            task.run(row, scratch, sums, block * sumsPerBlock);
          }
        });
    return sums;
  }

  /** Adds {@code sums[block, from … from + size(target))} of every block to the target. */
  private static void addSums(float[] sums, int rows, int perBlock, int from, CpuTensor target) {
    if (target == null) {
      return;
    }
    float[] total = target.toArray();
    int blocks = (rows + BLOCK - 1) / BLOCK;
    for (int block = 0; block < blocks; block++) {
      int at = block * perBlock + from;
      for (int i = 0; i < total.length; i++) {
        total[i] += sums[at + i];
      }
    }
    target.write(0, total, 0, total.length);
  }

  private static int columns(CpuTensor x) {
    return Math.toIntExact(x.dim(-1));
  }

  private static int rows(CpuTensor x) {
    return Math.toIntExact(x.size() / x.dim(-1));
  }

  private static float value(CpuTensor x, int index, Scratch scratch) {
    float[] one = scratch.floats(3, 1);
    x.read(index, one, 0, 1);
    return one[0];
  }

  private static float[] whole(CpuTensor x, int columns) {
    if (x.size() != columns) {
      throw new IllegalArgumentException(
          x + " is not one value for each of " + columns + " columns");
    }
    return x.toArray();
  }

  void addBias(CpuTensor x, CpuTensor bias) {
    int c = columns(x);
    float[] b = whole(bias, c);
    forEachRow(
        rows(x),
        (row, scratch, sums, at) -> {
          float[] y = scratch.floats(0, c);
          x.read((long) row * c, y, 0, c);
          for (int i = 0; i < c; i++) {
            y[i] += b[i];
          }
          x.write((long) row * c, y, 0, c);
        });
  }

  void addBiasBackward(CpuTensor dY, CpuTensor dBias) {
    int c = columns(dY);
    float[] sums =
        forEachRow(
            rows(dY),
            c,
            (row, scratch, block, at) -> {
              float[] d = scratch.floats(0, c);
              dY.read((long) row * c, d, 0, c);
              for (int i = 0; i < c; i++) {
                block[at + i] += d[i];
              }
            });
    addSums(sums, rows(dY), c, 0, dBias);
  }

  void rmsNorm(CpuTensor x, CpuTensor weight, float epsilon, CpuTensor y, CpuTensor inverseRms) {
    int c = columns(x);
    float[] w = whole(weight, c);
    forEachRow(
        rows(x),
        (row, scratch, sums, at) -> {
          float[] v = scratch.floats(0, c + 1);
          x.read((long) row * c, v, 0, c);
          float r = (float) (1 / Math.sqrt((double) kernels.dot(v, 0, v, 0, c) / c + epsilon));
          for (int i = 0; i < c; i++) {
            v[i] = v[i] * r * w[i];
          }
          y.write((long) row * c, v, 0, c);
          v[c] = r;
          inverseRms.write(row, v, c, 1);
        });
  }

  void rmsNormBackward(
      CpuTensor dY,
      CpuTensor x,
      CpuTensor weight,
      CpuTensor inverseRms,
      CpuTensor dX,
      CpuTensor dWeight) {
    int c = columns(x);
    float[] w = whole(weight, c);
    int sumsPerBlock = dWeight == null ? 0 : c;
    float[] sums =
        forEachRow(
            rows(x),
            sumsPerBlock,
            (row, scratch, block, at) -> {
              float[] d = scratch.floats(0, c);
              float[] n = scratch.floats(1, c);
              float[] out = scratch.floats(2, c);
              dY.read((long) row * c, d, 0, c);
              x.read((long) row * c, n, 0, c);
              dX.read((long) row * c, out, 0, c);
              float inverse = value(inverseRms, row, scratch);
              for (int i = 0; i < c; i++) {
                n[i] *= inverse;
              }
              if (sumsPerBlock > 0) {
                for (int i = 0; i < c; i++) {
                  block[at + i] += d[i] * n[i];
                }
              }
              for (int i = 0; i < c; i++) {
                d[i] *= w[i];
              }
              float mean = kernels.dot(d, 0, n, 0, c) / c;
              for (int i = 0; i < c; i++) {
                out[i] += inverse * (d[i] - n[i] * mean);
              }
              dX.write((long) row * c, out, 0, c);
            });
    addSums(sums, rows(x), sumsPerBlock, 0, dWeight);
  }

  void layerNorm(
      CpuTensor x,
      CpuTensor weight,
      CpuTensor bias,
      float epsilon,
      CpuTensor y,
      CpuTensor mean,
      CpuTensor inverseDeviation) {
    int c = columns(x);
    float[] w = whole(weight, c);
    float[] b = whole(bias, c);
    forEachRow(
        rows(x),
        (row, scratch, sums, at) -> {
          float[] v = scratch.floats(0, c + 2);
          x.read((long) row * c, v, 0, c);
          float m = kernels.sum(v, 0, c) / c;
          for (int i = 0; i < c; i++) {
            v[i] -= m;
          }
          float r = (float) (1 / Math.sqrt((double) kernels.dot(v, 0, v, 0, c) / c + epsilon));
          for (int i = 0; i < c; i++) {
            v[i] = v[i] * r * w[i] + b[i];
          }
          y.write((long) row * c, v, 0, c);
          v[c] = m;
          v[c + 1] = r;
          mean.write(row, v, c, 1);
          inverseDeviation.write(row, v, c + 1, 1);
        });
  }

  void layerNormBackward(
      CpuTensor dY,
      CpuTensor x,
      CpuTensor weight,
      CpuTensor mean,
      CpuTensor inverseDeviation,
      CpuTensor dX,
      CpuTensor dWeight,
      CpuTensor dBias) {
    int c = columns(x);
    float[] w = whole(weight, c);
    int sumsPerBlock = dWeight == null && dBias == null ? 0 : 2 * c;
    float[] sums =
        forEachRow(
            rows(x),
            sumsPerBlock,
            (row, scratch, block, at) -> {
              float[] d = scratch.floats(0, c);
              float[] n = scratch.floats(1, c);
              float[] out = scratch.floats(2, c);
              dY.read((long) row * c, d, 0, c);
              x.read((long) row * c, n, 0, c);
              dX.read((long) row * c, out, 0, c);
              float inverse = value(inverseDeviation, row, scratch);
              float shift = value(mean, row, scratch);
              for (int i = 0; i < c; i++) {
                n[i] = (n[i] - shift) * inverse;
              }
              if (sumsPerBlock > 0) {
                for (int i = 0; i < c; i++) {
                  block[at + i] += d[i] * n[i];
                  block[at + c + i] += d[i];
                }
              }
              for (int i = 0; i < c; i++) {
                d[i] *= w[i];
              }
              float along = kernels.dot(d, 0, n, 0, c) / c;
              float average = kernels.sum(d, 0, c) / c;
              for (int i = 0; i < c; i++) {
                out[i] += inverse * (d[i] - average - n[i] * along);
              }
              dX.write((long) row * c, out, 0, c);
            });
    addSums(sums, rows(x), sumsPerBlock, 0, dWeight);
    addSums(sums, rows(x), sumsPerBlock, c, dBias);
  }

  void rope(Heads x, RopeTable table, int[] positions, boolean inverse) {
    int half = table.rotaryDim() / 2;
    if (table.rotaryDim() > x.headDim()) {
      throw new IllegalArgumentException(
          "%d components cannot be rotated in heads of %d"
              .formatted(table.rotaryDim(), x.headDim()));
    }
    CpuTensor data = (CpuTensor) x.data();
    // From a token's first head to its last: heads of other roles in between go through unchanged.
    int span = Math.toIntExact((x.heads() - 1) * x.headStride() + x.headDim());
    float sign = inverse ? -1 : 1;
    forEachRow(
        positions.length,
        (token, scratch, sums, at) -> {
          int position = positions[token];
          if (position < 0 || position >= table.length()) {
            throw new IllegalArgumentException(
                "Position %d is outside the rotary table of %d"
                    .formatted(position, table.length()));
          }
          float[] v = scratch.floats(0, span);
          data.read(x.index(token, 0), v, 0, span);
          for (int h = 0; h < x.heads(); h++) {
            int head = (int) (h * x.headStride());
            kernels.rotate(v, head, half, table.cos(), table.sin(), position * half, sign);
          }
          data.write(x.index(token, 0), v, 0, span);
        });
  }

  void crossEntropy(
      CpuTensor logits, int[] targets, int at, float gradientScale, CpuTensor losses) {
    int vocabulary = columns(logits);
    forEachRow(
        rows(logits),
        (row, scratch, sums, block) -> {
          int target = targets[at + row];
          float[] p = scratch.floats(0, vocabulary);
          float[] loss = scratch.floats(3, 1);
          if (target == Device.IGNORED) {
            loss[0] = 0;
            losses.write(at + row, loss, 0, 1);
            if (gradientScale != 0) {
              Arrays.fill(p, 0, vocabulary, 0f);
              logits.write((long) row * vocabulary, p, 0, vocabulary);
            }
            return;
          }
          if (target < 0 || target >= vocabulary) {
            throw new IllegalArgumentException(
                "Target %d of token %d is neither in the vocabulary of %d nor %d (no loss)"
                    .formatted(target, at + row, vocabulary, Device.IGNORED));
          }
          logits.read((long) row * vocabulary, p, 0, vocabulary);
          float max = kernels.max(p, 0, vocabulary);
          float chosen = p[target];
          float sum = kernels.expAndSum(p, 0, vocabulary, max);
          loss[0] = (float) (Math.log(sum) + max - chosen);
          losses.write(at + row, loss, 0, 1);
          if (gradientScale != 0) {
            float scale = gradientScale / sum;
            for (int i = 0; i < vocabulary; i++) {
              p[i] *= scale;
            }
            p[target] -= gradientScale;
            logits.write((long) row * vocabulary, p, 0, vocabulary);
          }
        });
  }
}
