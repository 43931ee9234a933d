package org.sinklora.h2o;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/**
 * What a cache's budget costs: perplexity of held-out documents, decoded token by token, for
 * policies at several budgets.
 */
public final class QualityBench {
  private static final int SINKS = 4;
  private static final int WINDOW = 32;

  private QualityBench() {}

  /**
   * The policy of a name that keeps a part of a document: h2o half heavy and half recent, streaming
   * with four sinks, snapkv with a window of 32.
   *
   * @param tokens of the document
   * @param budget part of them that is kept, above 0 and below 1
   * @param heavyShare of h2o's budget, the part for heavy hitters; H2O's own code takes a half
   * @throws IllegalArgumentException if the name is unknown or the budget too small
   */
  public static KvCachePolicy policy(String name, int tokens, double budget, double heavyShare) {
    int kept = (int) Math.round(budget * tokens);
    return switch (name) {
      case "full" -> new FullCache(Integer.MAX_VALUE);
      case "h2o" -> {
        int heavy = (int) Math.round(heavyShare * kept);
        yield KvCachePolicy.h2o(heavy, kept - heavy);
      }
      case "streaming" -> KvCachePolicy.streaming(SINKS, kept - SINKS);
      case "snapkv" -> KvCachePolicy.snapKv(kept, WINDOW);
      default ->
          throw new IllegalArgumentException(
              "There is no policy '%s' to compare; known are full, h2o, streaming, snapkv"
                  .formatted(name));
    };
  }

  /** Scores the documents under every policy. */
  public static List<CachePerplexity> run(
      Generator generator, String adapter, List<int[]> documents, List<ScoringOptions> options) {
    List<CachePerplexity> rows = new ArrayList<>();
    for (ScoringOptions each : options) {
      rows.add(CachePerplexity.of(generator, adapter, documents, each));
    }
    return rows;
  }

  /** Prints one line a measurement, relative to the first. */
  public static void print(List<CachePerplexity> rows, PrintWriter out) {
    out.printf(
        "%-34s %10s %8s %10s %8s %12s %14s%n",
        "policy", "perplexity", "s.e.", "to first", "docs", "tokens/s", "cache bytes");
    for (CachePerplexity row : rows) {
      out.printf(
          "%-34s %10.4f %8.4f %+9.2f%% %8d %12.0f %14d%n",
          row.policy(),
          row.value(),
          row.standardError() * row.value(),
          100 * (row.value() / rows.get(0).value() - 1),
          row.documents(),
          row.tokensPerSecond(),
          row.cacheBytes());
    }
  }
}
