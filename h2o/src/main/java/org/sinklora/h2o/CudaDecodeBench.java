package org.sinklora.h2o;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.ModelConfig;

/**
 * Measures decoding on a GPU behind a long context. No prompt is read: the caches are filled with
 * random keys and values, which take as long as real ones. Tokens are chosen greedily on the GPU.
 */
public final class CudaDecodeBench implements AutoCloseable {
  /** Steps before the clock runs: the first compiles kernels, the second captures the graph. */
  private static final int WARM_UP = 10;

  private static final float KEY_DEVIATION = 0.5f;

  /** What an H100's memory gives, in bytes a second. */
  private static final double BANDWIDTH = 3.0e12;

  private final CudaDevice device;
  private final ModelConfig config;
  private final CachePrecision precision;
  private final int steps;
  private final CudaRandomWeights random;
  private final CudaWeights weights;
  private final CudaModel model;

  private CudaDecodeBench(
      CudaDevice device,
      CausalLm real,
      ModelConfig config,
      WeightPrecision weightPrecision,
      CachePrecision precision,
      int steps) {
    this.device = device;
    this.config = config;
    this.precision = precision;
    this.steps = steps;
    this.random = real == null ? new CudaRandomWeights(device, config) : null;
    this.weights = new CudaWeights(device, weightPrecision);
    this.model =
        CudaModel.of(
            config,
            real == null ? random::get : real::weight,
            real == null ? random.head() : real.headWeight(),
            real == null ? path -> null : real::lowRankUpdate,
            weights,
            AdapterWeights.MERGED,
            true);
  }

  /**
   * Of a model on a GPU, which must stay open.
   *
   * @param weights how weights are stored; null for as the device has them
   * @param precision how caches are stored
   * @param steps that are measured, at least 1
   */
  public static CudaDecodeBench of(
      CausalLm model, WeightPrecision weights, CachePrecision precision, int steps) {
    CudaDevice device = (CudaDevice) model.device();
    return new CudaDecodeBench(device, model, model.config(), weights, precision, steps);
  }

  /** The same with random weights of a Llama configuration. */
  public static CudaDecodeBench random(
      CudaDevice device,
      ModelConfig config,
      WeightPrecision weights,
      CachePrecision precision,
      int steps) {
    return new CudaDecodeBench(device, null, config, weights, precision, steps);
  }

  /**
   * One measurement.
   *
   * @param policy the cache's policy, its sizes in tokens
   * @param context tokens that each sequence has behind it
   * @param batch sequences that decode together
   * @param millis of a step, the median; the host waits for each
   * @param bestMillis of a step, the shortest
   * @param queuedMillis of a step when the host does not wait, the mean
   * @param tokensPerSecond of all sequences together, by the median
   * @param weightBytes that a step reads
   * @param cacheBytes that a step reads, of all sequences
   * @param residentBytes of all caches
   * @param floorMillis what reading both once takes at 3.0 TB/s
   */
  public record Row(
      String policy,
      int context,
      int batch,
      double millis,
      double bestMillis,
      double queuedMillis,
      double tokensPerSecond,
      long weightBytes,
      long cacheBytes,
      long residentBytes,
      double floorMillis) {

    /** The part of the floor in the median. */
    public double share() {
      return floorMillis / millis;
    }
  }

  /**
   * Measures one policy.
   *
   * @throws CacheLimitException if the caches do not fit
   */
  public Row run(KvCachePolicy policy, int context, int batch) {
    CudaRowKernels kernels = new CudaRowKernels(device);
    List<CudaCache> caches = new ArrayList<>();
    try (CudaStep step = new CudaStep(device, config, kernels, batch)) {
      CudaSequence[] sequences = new CudaSequence[batch];
      for (int i = 0; i < batch; i++) {
        sequences[i] = pretend(policy, context, i, caches);
      }
      step.put(sequences, batch);
      device
          .kernel(
              CudaDecodeBench.class,
              "decode_attention.cu",
              "pretend_read",
              CudaShape.of(config).defines())
          .launch(
              config.numHiddenLayers() * config.numKeyValueHeads(),
              batch,
              1,
              256,
              0,
              step.rows(),
              context);
      return measure(step, sequences, context);
    } finally {
      caches.forEach(CudaCache::close);
    }
  }

  private CudaSequence pretend(
      KvCachePolicy policy, int context, int number, List<CudaCache> caches) {
    KvCachePolicy resolved = policy.resolve(context);
    long tokens = (long) context + 2L * steps + 2 * WARM_UP;
    CacheSpec spec = new CacheSpec(resolved, precision, RopePositions.ORIGINAL, context, tokens);
    CudaShape shape = CudaShape.of(config);
    long bytes = CudaCache.bytes(shape, config.numHiddenLayers(), spec);
    if (bytes > device.freeBytes()) {
      throw new CacheLimitException(
          "The cache of sequence %d under %s takes %,d bytes, but %,d are free on %s; take a smaller batch, context or budget"
              .formatted(number, resolved, bytes, device.freeBytes(), device.name()));
    }
    CudaCache cache = new CudaCache(device, shape, config.numHiddenLayers(), spec);
    caches.add(cache);
    device.fillNormal(cache.keys(), KEY_DEVIATION, 2L * number);
    device.fillNormal(cache.values(), KEY_DEVIATION, 2L * number + 1);
    cache.filled(resolved.keptOf(context), context - 1);
    CudaSequence sequence = new CudaSequence(model, cache, Integer.MAX_VALUE);
    sequence.advance(context);
    sequence.feed(new Random(number).nextInt(config.vocabSize()));
    return sequence;
  }

  private Row measure(CudaStep step, CudaSequence[] sequences, int context) {
    int batch = sequences.length;
    for (int i = 0; i < WARM_UP; i++) {
      step.again(sequences, batch);
    }
    device.synchronize();
    double[] millis = new double[steps];
    for (int i = 0; i < steps; i++) {
      long start = System.nanoTime();
      step.again(sequences, batch);
      device.synchronize();
      millis[i] = (System.nanoTime() - start) * 1e-6;
    }
    long start = System.nanoTime();
    for (int i = 0; i < steps; i++) {
      step.again(sequences, batch);
    }
    device.synchronize();
    double queued = (System.nanoTime() - start) * 1e-6 / steps;
    requireFinite(step.logits());
    Arrays.sort(millis);
    double median = millis[steps / 2];
    CudaCache cache = sequences[0].cache();
    long component = precision == CachePrecision.BFLOAT16 ? Short.BYTES : Float.BYTES;
    long heads = (long) config.numHiddenLayers() * config.numKeyValueHeads();
    long read = batch * heads * cache.used() * config.headDim() * 2 * component;
    return new Row(
        cache.policy().toString(),
        context,
        batch,
        median,
        millis[0],
        queued,
        batch * 1000 / median,
        model.bytes(),
        read,
        batch * cache.residentBytes(),
        (model.bytes() + read) / BANDWIDTH * 1000);
  }

  private void requireFinite(CudaTensor logits) {
    float[] values = new float[Math.toIntExact(logits.size())];
    device.download(logits, values, 0);
    for (float value : values) {
      if (!Float.isFinite(value)) {
        throw new ArithmeticException("A logit is " + value + "; what was measured is no decoding");
      }
    }
  }

  /** Prints measurements as a table. */
  public static void print(List<Row> rows, PrintWriter out) {
    out.printf(
        "%-32s %8s %6s %10s %10s %10s %10s %10s %8s %14s %14s%n",
        "policy",
        "context",
        "batch",
        "ms/step",
        "best",
        "queued",
        "tokens/s",
        "floor ms",
        "of floor",
        "weight B",
        "cache B read");
    for (Row row : rows) {
      out.printf(
          "%-32s %8d %6d %10.3f %10.3f %10.3f %10.1f %10.3f %7.0f%% %14d %14d%n",
          row.policy,
          row.context,
          row.batch,
          row.millis,
          row.bestMillis,
          row.queuedMillis,
          row.tokensPerSecond,
          row.floorMillis,
          100 * row.share(),
          row.weightBytes,
          row.cacheBytes);
    }
  }

  @Override
  public void close() {
    weights.close();
    if (random != null) {
      random.close();
    }
  }
}
