package org.sinklora.compute;

/**
 * The inner loops of the CPU over heap arrays: runs of {@code n} floats from an offset on. Two
 * implementations, {@link PlainRowKernels} and {@link VectorRowKernels}, one conformance test.
 */
public interface RowKernels {

  /** The kernels for this JVM. */
  static RowKernels best() {
    return VectorUnit.isPresent() ? new VectorRowKernels() : new PlainRowKernels();
  }

  /** {@code Σ x·y}. */
  float dot(float[] x, int xo, float[] y, int yo, int n);

  /** {@code Σ x}. */
  float sum(float[] x, int xo, int n);

  /** {@code max x}. */
  float max(float[] x, int xo, int n);

  /** {@code x = e^(x − max)} in place; returns the sum. */
  float expAndSum(float[] x, int xo, int n, float max);

  /** {@code y = silu(gate) · up}; y may be gate or up. */
  void swiGlu(float[] gate, float[] up, float[] y, int n);

  /** In place: {@code gate} becomes dGate, {@code up} becomes dUp. */
  void swiGluBackward(float[] dY, float[] gate, float[] up, int n);

  /** {@code x = gelu(x)} in place. */
  void gelu(float[] x, int n, GeluKind kind);

  /** {@code dY = dY · gelu'(x)} in place of dY. */
  void geluBackward(float[] dY, float[] x, int n, GeluKind kind);

  /**
   * Rotates the pairs (x[xo + i], x[xo + half + i]) by the angle whose cosine and sine stand at
   * {@code table + i}.
   *
   * @param sign 1 to rotate, -1 to rotate back
   */
  void rotate(float[] x, int xo, int half, float[] cos, float[] sin, int table, float sign);
}
