package org.sinklora.sfattn;

import org.sinklora.compute.VectorUnit;

/**
 * The inner loops of attention on tiles of scores. A tile holds keys in rows and queries in
 * columns, transposed with respect to the textbook: queries then lie in the lanes of a vector, and
 * softmax needs no reduction across lanes.
 *
 * <p>Rows of a score tile are {@link #QUERIES} elements apart. Of its columns the first {@code
 * width} are in use, a multiple of {@link #lanes()}.
 */
public interface TileKernels {
  /** Queries of a tile. */
  int QUERIES = 64;

  /** Keys of a tile, at most. */
  int KEYS = 64;

  /** Stands for a score that is masked, and for the maximum of no scores; its exp2 is 0. */
  float MASKED = -1e30f;

  /** The kernels for this JVM. */
  static TileKernels best() {
    return VectorUnit.isPresent() ? new VectorTileKernels() : new PlainTileKernels();
  }

  /** Widths have to be multiples of this. */
  int lanes();

  /** The least legal width for that many columns. */
  default int padded(int columns) {
    return Math.multiplyExact(Math.floorDiv(columns + lanes() - 1, lanes()), lanes());
  }

  /**
   * {@code C[row, column] += Σ_d A[row, d] · B[d, column]}.
   *
   * <p>Element {@code A[row, d]} is {@code a[aAt + row * aRow + d * aDepth]}, so A may be read
   * transposed; columns of B and C are adjacent.
   *
   * @param rows any number
   * @param width columns, a multiple of {@link #lanes()}
   * @param depth any number
   */
  void product(
      float[] a,
      int aAt,
      int aRow,
      int aDepth,
      float[] b,
      int bAt,
      int bRow,
      float[] c,
      int cAt,
      int cRow,
      int rows,
      int width,
      int depth);

  /**
   * One step of the online softmax in base 2 (Milakov and Gimelshein, arXiv 1805.02867). Raises
   * each column's maximum, replaces its scores by {@code 2^(score − maximum)} and adds them to its
   * sum.
   *
   * @param rescale receives the factor by which what was summed up before has shrunk
   * @return whether a factor differs from 1
   */
  boolean onlineSoftmax(
      float[] scores, int rows, int width, float[] maximum, float[] sum, float[] rescale);

  /** Multiplies each column by its factor. */
  void scaleColumns(float[] tile, int rows, int width, float[] factors);

  /** Replaces scores by {@code 2^(score − logSumExp of the column)}. */
  void probabilities(float[] scores, int rows, int width, float[] logSumExp);

  /**
   * The gradient of softmax: {@code gradient = probability · (gradient − delta of the column)}.
   *
   * @param gradient of the probabilities; replaced by that of the scores
   */
  void softmaxBackward(float[] probabilities, float[] gradient, int rows, int width, float[] delta);
}
