package org.sinklora.h2o;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.sinklora.lora.CausalLm;

/**
 * Whether a token takes as long at the end of a long generation as at its beginning: the first and
 * the last thousand, by the clock on the wall.
 */
public final class StreamTimeBench {
  private static final int MEASURED = 1_000;

  /** Compiled code is what it will be by then. */
  private static final int WARM_UP_TOKENS = 10_000;

  private final CausalLm model;
  private final int threads;
  private final WeightPrecision weights;
  private final CachePrecision precision;

  /**
   * @param model on the CPU
   * @param threads that share the work
   * @param weights how weights are stored
   * @param precision how the cache is stored
   */
  public StreamTimeBench(
      CausalLm model, int threads, WeightPrecision weights, CachePrecision precision) {
    this.model = model;
    this.threads = threads;
    this.weights = weights;
    this.precision = precision;
  }

  /**
   * One measurement.
   *
   * @param policy the cache's policy, its sizes in tokens
   * @param promptTokens tokens of the prompt
   * @param tokens generated after it
   * @param firstMicros mean time of each of the first thousand
   * @param lastMicros mean time of each of the last thousand
   * @param firstMedianMicros the median of the first thousand, which other programs on the machine
   *     disturb less
   * @param lastMedianMicros the median of the last thousand
   * @param firstCacheBytes bytes of the cache before the first token
   * @param lastCacheBytes bytes of the cache after the last
   */
  public record Row(
      String policy,
      int promptTokens,
      int tokens,
      double firstMicros,
      double lastMicros,
      double firstMedianMicros,
      double lastMedianMicros,
      long firstCacheBytes,
      long lastCacheBytes) {}

  /**
   * Generates {@code tokens} under every policy, after a warm-up that is not measured.
   *
   * @param promptTokens tokens of the prompt, which a bounded cache should be smaller than
   * @throws IllegalArgumentException if there are not two thousand tokens to compare
   */
  public List<Row> run(List<KvCachePolicy> policies, int promptTokens, int tokens) {
    if (tokens < 2 * MEASURED) {
      throw new IllegalArgumentException(
          "The first and the last %,d of %,d tokens overlap; take at least %,d"
              .formatted(MEASURED, tokens, 2 * MEASURED));
    }
    DecoderModel decoderModel =
        DecoderModel.of(model, new WeightStore(weights), AdapterWeights.MERGED);
    List<Row> rows = new ArrayList<>();
    try (Decoder decoder = new Decoder(decoderModel.shape(), threads, 1)) {
      for (KvCachePolicy policy : policies) {
        measure(decoder, decoderModel, policy, promptTokens, WARM_UP_TOKENS);
        rows.add(measure(decoder, decoderModel, policy, promptTokens, tokens));
      }
    }
    return rows;
  }

  private Row measure(
      Decoder decoder, DecoderModel decoderModel, KvCachePolicy policy, int length, int count) {
    int vocabulary = model.config().vocabSize();
    int[] prompt = new Random(length).ints(length, 0, vocabulary).toArray();
    KvCachePolicy resolved =
        policy instanceof FullCache ? new FullCache(1 << 30) : policy.resolve(length);
    CachePlan plan =
        CachePlan.of(
            model.config(),
            resolved,
            precision,
            RopePositions.ORIGINAL,
            length,
            (long) length + count);
    SequenceCache cache = new SequenceCache(plan, resolved, RopePositions.ORIGINAL);
    Sequence sequence = new Sequence(decoderModel, cache);
    decoder.prefill(sequence, prompt, () -> false);
    long bytes = cache.residentBytes();
    sequence.feed(prompt[0]);
    Sequence[] batch = {sequence};
    long[] first = new long[MEASURED];
    long[] last = new long[MEASURED];
    for (int step = 0; step < count; step++) {
      long start = System.nanoTime();
      sequence.reserve();
      decoder.step(batch, 1);
      sequence.feed(DecodeBench.greedy(decoder.logits(), 0, vocabulary));
      long nanos = System.nanoTime() - start;
      if (step < MEASURED) {
        first[step] = nanos;
      }
      if (step >= count - MEASURED) {
        last[step - count + MEASURED] = nanos;
      }
    }
    return new Row(
        policy.resolve(length).toString(),
        length,
        count,
        LongStream.of(first).sum() * 1e-3 / MEASURED,
        LongStream.of(last).sum() * 1e-3 / MEASURED,
        median(first),
        median(last),
        bytes,
        cache.residentBytes());
  }

  private static double median(long[] nanos) {
    Arrays.sort(nanos);
    return nanos[nanos.length / 2] * 1e-3;
  }

  /** Prints measurements as a table. */
  public static void print(List<Row> rows, PrintWriter out) {
    out.printf(
        "%-32s %8s %8s %12s %12s %8s %12s %12s %8s %12s %12s%n",
        "policy",
        "prompt",
        "tokens",
        "first µs",
        "last µs",
        "change",
        "median µs",
        "median µs",
        "change",
        "first B",
        "last B");
    for (Row row : rows) {
      out.printf(
          "%-32s %8d %8d %12.1f %12.1f %+7.1f%% %12.1f %12.1f %+7.1f%% %12d %12d%n",
          row.policy,
          row.promptTokens,
          row.tokens,
          row.firstMicros,
          row.lastMicros,
          100 * (row.lastMicros / row.firstMicros - 1),
          row.firstMedianMicros,
          row.lastMedianMicros,
          100 * (row.lastMedianMicros / row.firstMedianMicros - 1),
          row.firstCacheBytes,
          row.lastCacheBytes);
    }
    out.flush();
  }
}
