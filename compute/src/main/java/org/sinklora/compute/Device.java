package org.sinklora.compute;

import java.util.SplittableRandom;

/**
 * Memory and kernels of one processor.
 *
 * <p>Matrices are row-major [rows, columns]. Kernels write into tensors that the caller allocated;
 * where a gradient is said to <em>accumulate</em>, it is added to what is there. All reductions run
 * in a fixed order: the same input on the same device with the same settings gives the same bits. A
 * device is used by one thread at a time; its tensors may be shared.
 */
public interface Device extends AutoCloseable {

  /** What a person would call it, e.g. {@code cpu (2 threads, 512-bit vectors)}. */
  String name();

  /** A new float32 tensor of zeros: trained parameters, gradients, optimiser state, statistics. */
  Tensor allocate(long... shape);

  /** The same for frozen weights, in the precision that the device multiplies in. */
  default Tensor allocateWeights(long... shape) {
    return allocate(shape);
  }

  /** The same for activations and their gradients. */
  default Tensor allocateActivations(long... shape) {
    return allocate(shape);
  }

  /** Bytes of an element that {@link #allocateActivations} and {@link #allocateWeights} give. */
  default int elementBytes() {
    return Float.BYTES;
  }

  /**
   * Bytes of memory that are free, whoever has the rest; {@link Long#MAX_VALUE} where memory is not
   * what limits a run.
   */
  default long freeBytes() {
    return Long.MAX_VALUE;
  }

  /** Bytes that this device's tensors take now. */
  long allocatedBytes();

  /** The most bytes that this device's tensors took at a time since {@link #resetPeakBytes}. */
  long peakBytes();

  /** Lets {@link #peakBytes} start again from what is allocated now. */
  void resetPeakBytes();

  /** Elements of the largest matrix of logits that is worth having at a time. */
  default long logitsElements() {
    return 1 << 21;
  }

  /** Whether the host's memory is another one than the device's, so that parking saves any. */
  default boolean hasHostMemory() {
    return false;
  }

  /**
   * A place in the host's memory for tensors of activations of this size or less; the caller's to
   * close, before the device and before the tensors.
   */
  default ParkedTensor park(Tensor like) {
    return new DeviceParkedTensor(this, like);
  }

  /** Waits until all that was asked for is done; a device may work behind its caller's back. */
  default void synchronize() {}

  /** Fills a tensor with normally distributed numbers that depend on {@code seed} alone. */
  default void fillNormal(Tensor destination, float deviation, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    float[] chunk = new float[(int) Math.min(1 << 20, destination.size())];
    for (long at = 0; at < destination.size(); at += chunk.length) {
      int count = (int) Math.min(chunk.length, destination.size() - at);
      for (int i = 0; i < count; i++) {
        chunk[i] = (float) (random.nextGaussian() * deviation);
      }
      upload(chunk, 0, destination.view(at, count));
    }
  }

  /** Copies {@code source[at…]} into all of {@code destination}. */
  void upload(float[] source, int at, Tensor destination);

  /** Copies all of {@code source} to {@code destination[at…]}. */
  void download(Tensor source, float[] destination, int at);

  /** {@code destination = source}; sizes must be equal, shapes need not. */
  void copy(Tensor source, Tensor destination);

  /**
   * A copy of a matrix in the 4-bit NormalFloat of QLoRA (arXiv 2305.14314): 64 neighbours of a row
   * share a float32 scale, which makes 4.5 bits a number. It is read as {@code b} of {@link
   * #matmul} and {@link #matmulAdd}, by {@link #copy} and by {@link #download}, and by nothing
   * else.
   *
   * @param matrix its rows are whole blocks of 64
   */
  Tensor toNf4(Tensor matrix);

  /** Sets every element. */
  void fill(Tensor destination, float value);

  /** {@code y += alpha · x}. */
  void axpy(float alpha, Tensor x, Tensor y);

  /** {@code x *= alpha}. */
  void scale(Tensor x, float alpha);

  /**
   * {@code c = alpha · op(a) · op(b) + beta · c}.
   *
   * @param a [m, k], or [k, m] with {@code transposeA}
   * @param b [k, n], or [n, k] with {@code transposeB}
   * @param c [m, n]
   * @throws IllegalArgumentException if the shapes do not fit
   */
  void matmul(
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta,
      Tensor c);

  /**
   * {@code c = op(a) · op(b) + residual}.
   *
   * @param residual [m, n]; may not be c: that is {@link #matmul} with {@code beta = 1}
   */
  default void matmulAdd(
      Tensor a, boolean transposeA, Tensor b, boolean transposeB, Tensor residual, Tensor c) {
    copy(residual, c);
    matmul(a, transposeA, b, transposeB, 1, 1, c);
  }

  /** {@code x[i, :] += bias} for every row. */
  void addBias(Tensor x, Tensor bias);

  /** {@code dBias += Σ_i dY[i, :]}. */
  void addBiasBackward(Tensor dY, Tensor dBias);

  /**
   * Root mean square normalisation: {@code y = x / sqrt(mean(x²) + epsilon) · weight} for every row
   * of x [n, c].
   *
   * @param inverseRms [n], kept for the backward
   */
  void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y, Tensor inverseRms);

  /**
   * Gradient of {@link #rmsNorm}.
   *
   * @param dX accumulates
   * @param dWeight accumulates; null where the weight is frozen
   */
  void rmsNormBackward(
      Tensor dY, Tensor x, Tensor weight, Tensor inverseRms, Tensor dX, Tensor dWeight);

  /**
   * Layer normalisation: {@code y = (x − mean(x)) / sqrt(var(x) + epsilon) · weight + bias} for
   * every row of x [n, c].
   *
   * @param mean [n], kept for the backward
   * @param inverseDeviation [n], kept for the backward
   */
  void layerNorm(
      Tensor x,
      Tensor weight,
      Tensor bias,
      float epsilon,
      Tensor y,
      Tensor mean,
      Tensor inverseDeviation);

  /**
   * Gradient of {@link #layerNorm}.
   *
   * @param dX accumulates
   * @param dWeight accumulates; null where the weight is frozen
   * @param dBias accumulates; null where the bias is frozen
   */
  void layerNormBackward(
      Tensor dY,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor inverseDeviation,
      Tensor dX,
      Tensor dWeight,
      Tensor dBias);

  /**
   * Rotates the first {@code table.rotaryDim()} components of every head in place, component {@code
   * i} together with component {@code i + rotaryDim/2}.
   *
   * @param positions position of each token
   * @param inverse rotate back: the gradient of a rotation
   */
  void rope(Heads x, RopeTable table, int[] positions, boolean inverse);

  /** {@code y = silu(gate) · up}; y may be gate or up. */
  void swiGlu(Tensor gate, Tensor up, Tensor y);

  /** Gradient of {@link #swiGlu}; dGate and dUp may be gate and up themselves. */
  void swiGluBackward(Tensor dY, Tensor gate, Tensor up, Tensor dGate, Tensor dUp);

  /** {@code y = gelu(x)}; y may be x. */
  void gelu(Tensor x, GeluKind kind, Tensor y);

  /** {@code dX = dY · gelu'(x)}; dX may be dY. */
  void geluBackward(Tensor dY, Tensor x, GeluKind kind, Tensor dX);

  /**
   * {@code y[i, :] = table[ids[i], :]}.
   *
   * @throws IllegalArgumentException if an id is not a row of the table
   */
  void embedding(Tensor table, int[] ids, Tensor y);

  /** {@code dTable[ids[i], :] += dY[i, :]}. */
  void embeddingBackward(Tensor dY, int[] ids, Tensor dTable);

  /**
   * Cross-entropy of each row of {@code logits} [n, vocabulary] with its target, and its gradient
   * in place of the logits.
   *
   * @param targets target of row i is {@code targets[at + i]}; {@link #IGNORED} rows have loss 0
   *     and gradient 0
   * @param gradientScale what the gradient is multiplied by; 0 leaves the logits as they are
   * @param losses float32; receives the loss of row i at {@code at + i}
   */
  void crossEntropy(Tensor logits, int[] targets, int at, float gradientScale, Tensor losses);

  /** The target that says: no loss here. */
  int IGNORED = -100;

  /**
   * Zeroes each element with probability {@code rate} and divides the rest by {@code 1 − rate}.
   * Whether an element is dropped depends on {@code key} and its number alone, so the backward is
   * the same call on the gradient. y may be x.
   *
   * @param firstElement number of the first element of x
   */
  void dropout(Tensor x, float rate, long key, long firstElement, Tensor y);

  /** Sum of the squares of all elements, in double precision. */
  double sumOfSquares(Tensor x);

  /**
   * One AdamW update of a parameter, its first and its second moment, in place.
   *
   * @param gradientScale what the gradient is multiplied by first (clipping)
   */
  void adamW(
      Tensor parameter,
      Tensor gradient,
      Tensor firstMoment,
      Tensor secondMoment,
      float gradientScale,
      AdamWStep step);

  /** Ends the device's threads and frees its own memory; tensors stay with their owners. */
  @Override
  void close();
}
