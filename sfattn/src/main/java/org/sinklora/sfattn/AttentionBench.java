package org.sinklora.sfattn;

import java.io.PrintWriter;
import java.util.Arrays;
import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;
import org.sinklora.compute.cuda.CudaDevice;

/** Measures attention alone, on random queries, keys and values of one sequence. */
public final class AttentionBench implements AutoCloseable {
  /** Runs asked for at once: a GPU is to be measured, not how fast it is told what to do. */
  private static final int QUEUED = 5;

  private final Device device;
  private final int heads;
  private final int keyValueHeads;
  private final int headDim;
  private final int iterations;
  private final Attention attention;

  /**
   * @param iterations of a measurement, of five runs each
   */
  public AttentionBench(Device device, int heads, int keyValueHeads, int headDim, int iterations) {
    this.device = device;
    this.heads = heads;
    this.keyValueHeads = keyValueHeads;
    this.headDim = headDim;
    this.iterations = iterations;
    this.attention = Attention.on(device);
  }

  /**
   * One measurement.
   *
   * @param pattern what attended
   * @param tokens of the sequence
   * @param forwardMillis median time of the forward
   * @param bothMillis median time of a forward and its backward
   * @param forwardTeraflops counting the pairs that attend: 4 · headDim operations a pair
   * @param bothTeraflops likewise, 14 · headDim operations a pair
   */
  public record Row(
      String pattern,
      int tokens,
      double forwardMillis,
      double bothMillis,
      double forwardTeraflops,
      double bothTeraflops) {}

  /** Measures one pattern at one length. */
  public Row run(AttentionPattern pattern, int tokens) {
    Documents documents = Documents.ofLengths(tokens);
    try (Tensor q = random(tokens, heads, 1);
        Tensor k = random(tokens, keyValueHeads, 2);
        Tensor v = random(tokens, keyValueHeads, 3);
        Tensor dOut = random(tokens, heads, 4);
        Tensor out = device.allocateActivations(tokens, (long) heads * headDim);
        Tensor logSumExp = device.allocate(tokens, heads);
        Tensor dQ = device.allocateActivations(tokens, (long) heads * headDim);
        Tensor dK = device.allocateActivations(tokens, (long) keyValueHeads * headDim);
        Tensor dV = device.allocateActivations(tokens, (long) keyValueHeads * headDim)) {
      Heads queries = Heads.contiguous(q, heads, headDim);
      Heads keys = Heads.contiguous(k, keyValueHeads, headDim);
      Heads values = Heads.contiguous(v, keyValueHeads, headDim);
      Heads outputs = Heads.contiguous(out, heads, headDim);
      Runnable forward =
          () -> attention.forward(pattern, documents, queries, keys, values, outputs, logSumExp);
      double forwardMillis = median(forward);
      double bothMillis =
          median(
              () -> {
                forward.run();
                attention.backward(
                    pattern,
                    documents,
                    queries,
                    keys,
                    values,
                    outputs,
                    logSumExp,
                    Heads.contiguous(dOut, heads, headDim),
                    Heads.contiguous(dQ, heads, headDim),
                    Heads.contiguous(dK, keyValueHeads, headDim),
                    Heads.contiguous(dV, keyValueHeads, headDim));
              });
      double operations = 4.0 * headDim * pattern.pairs(heads, tokens);
      return new Row(
          pattern.toString(),
          tokens,
          forwardMillis,
          bothMillis,
          operations / forwardMillis * 1e-9,
          3.5 * operations / bothMillis * 1e-9);
    }
  }

  private Tensor random(int tokens, int count, long seed) {
    Tensor tensor = device.allocateActivations(tokens, (long) count * headDim);
    device.fillNormal(tensor, 1, seed);
    return tensor;
  }

  /** Median over the iterations, of each the mean of some runs that wait for each other alone. */
  private double median(Runnable work) {
    work.run();
    double[] millis = new double[iterations];
    for (int i = 0; i < iterations; i++) {
      millis[i] = millis(work) / QUEUED;
    }
    Arrays.sort(millis);
    return millis[iterations / 2];
  }

  private double millis(Runnable work) {
    Runnable queued =
        () -> {
          for (int i = 0; i < QUEUED; i++) {
            work.run();
          }
        };
    if (device instanceof CudaDevice cuda) {
      return cuda.milliseconds(queued);
    }
    long start = System.nanoTime();
    queued.run();
    return (System.nanoTime() - start) * 1e-6;
  }

  /** Prints a measurement. */
  public static void print(Row row, PrintWriter out) {
    out.printf(
        "%8d tokens  forward %9.3f ms %7.2f TFLOP/s  forward+backward %9.3f ms %7.2f TFLOP/s  %s%n",
        row.tokens,
        row.forwardMillis,
        row.forwardTeraflops,
        row.bothMillis,
        row.bothTeraflops,
        row.pattern);
    out.flush();
  }

  @Override
  public void close() {
    attention.close();
  }
}
