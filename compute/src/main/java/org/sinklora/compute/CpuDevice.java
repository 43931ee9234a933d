package org.sinklora.compute;

/** The CPU: ND4J arrays, OpenBLAS and, where present, the Vector API. */
public final class CpuDevice {
  /** The body of a parallel loop. */
  @FunctionalInterface
  public interface ItemTask {
    /**
     * @param item index of the loop
     * @param scratch arrays of the worker that runs it
     */
    void run(int item, Scratch scratch);
  }

  private final CpuWorkers workers;

  public CpuDevice(int threads) {
    this.workers = new CpuWorkers(threads);
  }

  public CpuTensor allocate(long... shape) {
    return CpuTensor.zeros(shape);
  }

  /** Number of threads that share a loop. */
  public int threads() {
    return workers.threads();
  }

  /** Runs {@code task} for every item in [0, items), on all threads; items may run in any order. */
  public void forEach(int items, ItemTask task) {
    workers.forEach(items, task);
  }

  public void close() {
    workers.close();
  }
}
