package org.sinklora.compute;

/**
 * The CPU in float32: ND4J arrays, OpenBLAS and, where present, the Vector API.
 *
 * <p>Creating one sets OpenBLAS to a single thread for the whole process, since the device shares
 * out its products among its own threads.
 */
public final class CpuDevice implements Device {
  /** The body of a parallel loop. */
  @FunctionalInterface
  public interface ItemTask {
    /**
     * @param item index of the loop
     * @param scratch arrays of the worker that runs it
     */
    void run(int item, Scratch scratch);
  }

  private final AllocatedBytes allocated = new AllocatedBytes();
  private final CpuWorkers workers;
  private final CpuMatmul matmul;
  private final CpuElementwise elementwise;
  private final CpuRows rows;
  private final CpuEmbedding embedding;
  private final CpuNf4 nf4;

  /** A device that uses all processors of the machine. */
  public CpuDevice() {
    this(Runtime.getRuntime().availableProcessors());
  }

  /**
   * @param threads how many threads share the work, the caller's included
   * @throws IllegalArgumentException if {@code threads} is below 1
   */
  public CpuDevice(int threads) {
    this(threads, RowKernels.best());
  }

  CpuDevice(int threads, RowKernels kernels) {
    if (threads < 1) {
      throw new IllegalArgumentException("A CPU device needs at least 1 thread, not " + threads);
    }
    this.workers = new CpuWorkers(threads);
    this.matmul = new CpuMatmul(workers);
    this.elementwise = new CpuElementwise(workers, kernels);
    this.rows = new CpuRows(workers, kernels);
    this.embedding = new CpuEmbedding(workers);
    this.nf4 = new CpuNf4(workers, allocated);
  }

  /** Number of threads that share a loop. */
  public int threads() {
    return workers.threads();
  }

  /** Runs {@code task} for every item in [0, items), on all threads; items may run in any order. */
  public void forEach(int items, ItemTask task) {
    workers.forEach(items, task);
  }

  @Override
  public String name() {
    return "cpu (%d threads, %s)".formatted(threads(), VectorUnit.describe());
  }

  @Override
  public CpuTensor allocate(long... shape) {
    return CpuTensor.zeros(allocated, shape);
  }

  @Override
  public long allocatedBytes() {
    return allocated.now();
  }

  @Override
  public long peakBytes() {
    return allocated.peak();
  }

  @Override
  public void resetPeakBytes() {
    allocated.resetPeak();
  }

  @Override
  public void upload(float[] source, int at, Tensor destination) {
    cpu(destination).write(0, source, at, Math.toIntExact(destination.size()));
  }

  @Override
  public void download(Tensor source, float[] destination, int at) {
    operand(source).read(0, destination, at, Math.toIntExact(source.size()));
  }

  @Override
  public void copy(Tensor source, Tensor destination) {
    if (source instanceof CpuNf4Tensor packed) {
      nf4.widen(packed, cpu(destination));
    } else {
      elementwise.copy(cpu(source), cpu(destination));
    }
  }

  @Override
  public CpuNf4Tensor toNf4(Tensor matrix) {
    return nf4.pack(cpu(matrix));
  }

  @Override
  public void fill(Tensor destination, float value) {
    elementwise.fill(cpu(destination), value);
  }

  @Override
  public void axpy(float alpha, Tensor x, Tensor y) {
    elementwise.axpy(alpha, cpu(x), cpu(y));
  }

  @Override
  public void scale(Tensor x, float alpha) {
    elementwise.scale(cpu(x), alpha);
  }

  @Override
  public void matmul(
      Tensor a,
      boolean transposeA,
      Tensor b,
      boolean transposeB,
      float alpha,
      float beta,
      Tensor c) {
    matmul.multiply(cpu(a), transposeA, operand(b), transposeB, alpha, beta, cpu(c));
  }

  @Override
  public void addBias(Tensor x, Tensor bias) {
    rows.addBias(cpu(x), cpu(bias));
  }

  @Override
  public void addBiasBackward(Tensor dY, Tensor dBias) {
    rows.addBiasBackward(cpu(dY), cpu(dBias));
  }

  @Override
  public void rmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y, Tensor inverseRms) {
    rows.rmsNorm(cpu(x), cpu(weight), epsilon, cpu(y), cpu(inverseRms));
  }

  @Override
  public void rmsNormBackward(
      Tensor dY, Tensor x, Tensor weight, Tensor inverseRms, Tensor dX, Tensor dWeight) {
    rows.rmsNormBackward(
        cpu(dY), cpu(x), cpu(weight), cpu(inverseRms), cpu(dX), cpuOrNull(dWeight));
  }

  @Override
  public void layerNorm(
      Tensor x,
      Tensor weight,
      Tensor bias,
      float epsilon,
      Tensor y,
      Tensor mean,
      Tensor inverseDeviation) {
    rows.layerNorm(
        cpu(x), cpu(weight), cpu(bias), epsilon, cpu(y), cpu(mean), cpu(inverseDeviation));
  }

  @Override
  public void layerNormBackward(
      Tensor dY,
      Tensor x,
      Tensor weight,
      Tensor mean,
      Tensor inverseDeviation,
      Tensor dX,
      Tensor dWeight,
      Tensor dBias) {
    rows.layerNormBackward(
        cpu(dY),
        cpu(x),
        cpu(weight),
        cpu(mean),
        cpu(inverseDeviation),
        cpu(dX),
        cpuOrNull(dWeight),
        cpuOrNull(dBias));
  }

  @Override
  public void rope(Heads x, RopeTable table, int[] positions, boolean inverse) {
    rows.rope(x, table, positions, inverse);
  }

  @Override
  public void swiGlu(Tensor gate, Tensor up, Tensor y) {
    elementwise.swiGlu(cpu(gate), cpu(up), cpu(y));
  }

  @Override
  public void swiGluBackward(Tensor dY, Tensor gate, Tensor up, Tensor dGate, Tensor dUp) {
    elementwise.swiGluBackward(cpu(dY), cpu(gate), cpu(up), cpu(dGate), cpu(dUp));
  }

  @Override
  public void gelu(Tensor x, GeluKind kind, Tensor y) {
    elementwise.gelu(cpu(x), kind, cpu(y));
  }

  @Override
  public void geluBackward(Tensor dY, Tensor x, GeluKind kind, Tensor dX) {
    elementwise.geluBackward(cpu(dY), cpu(x), kind, cpu(dX));
  }

  @Override
  public void embedding(Tensor table, int[] ids, Tensor y) {
    embedding.forward(cpu(table), ids, cpu(y));
  }

  @Override
  public void embeddingBackward(Tensor dY, int[] ids, Tensor dTable) {
    embedding.backward(cpu(dY), ids, cpu(dTable));
  }

  @Override
  public void crossEntropy(
      Tensor logits, int[] targets, int at, float gradientScale, Tensor losses) {
    rows.crossEntropy(cpu(logits), targets, at, gradientScale, cpu(losses));
  }

  @Override
  public void dropout(Tensor x, float rate, long key, long firstElement, Tensor y) {
    elementwise.dropout(cpu(x), rate, key, firstElement, cpu(y));
  }

  @Override
  public double sumOfSquares(Tensor x) {
    return elementwise.sumOfSquares(cpu(x));
  }

  @Override
  public void adamW(
      Tensor parameter,
      Tensor gradient,
      Tensor firstMoment,
      Tensor secondMoment,
      float gradientScale,
      AdamWStep step) {
    elementwise.adamW(
        cpu(parameter), cpu(gradient), cpu(firstMoment), cpu(secondMoment), gradientScale, step);
  }

  @Override
  public void close() {
    workers.close();
    nf4.close();
  }

  private CpuTensor operand(Tensor tensor) {
    return tensor instanceof CpuNf4Tensor packed ? nf4.widen(packed) : cpu(tensor);
  }

  private static CpuTensor cpu(Tensor tensor) {
    if (tensor instanceof CpuTensor cpu) {
      return cpu;
    }
    throw new IllegalArgumentException("Not a tensor of the CPU: " + tensor);
  }

  private static CpuTensor cpuOrNull(Tensor tensor) {
    return tensor == null ? null : cpu(tensor);
  }
}
