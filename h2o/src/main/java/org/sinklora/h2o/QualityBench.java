package org.sinklora.h2o;

import java.io.PrintWriter;
import java.util.List;

/**
 * What a cache's budget costs: perplexity of held-out text, decoded token by token, for policies at
 * several budgets.
 */
public final class QualityBench {
  private static final int SINKS = 4;
  private static final int WINDOW = 32;

  private QualityBench() {}

  /**
   * The policy of a name that keeps a number of tokens: h2o half heavy and half recent, streaming
   * with four sinks, snapkv with a window of 32 or, of fewer than 64, of half of them.
   *
   * @param budget what is kept; {@code full} keeps everything
   * @param tokens what a ratio is of
   * @param heavyShare of h2o's budget, the part for heavy hitters; H2O's own code takes a half
   * @throws IllegalArgumentException if the name is unknown or the budget too small
   */
  public static KvCachePolicy policy(
      String name, TokenCount budget, int tokens, double heavyShare) {
    int kept = budget.ratio() ? (int) Math.round(budget.value() * tokens) : (int) budget.value();
    if (kept <= SINKS) {
      throw new IllegalArgumentException(
          "A budget of %d tokens leaves nothing beside %d sinks; take a larger one"
              .formatted(kept, SINKS));
    }
    return switch (name) {
      case "full" -> new FullCache(Integer.MAX_VALUE);
      case "h2o" -> {
        int heavy = (int) Math.round(heavyShare * kept);
        yield KvCachePolicy.h2o(heavy, kept - heavy);
      }
      case "streaming" -> KvCachePolicy.streaming(SINKS, kept - SINKS);
      case "snapkv" -> KvCachePolicy.snapKv(kept, Math.min(WINDOW, kept / 2));
      default ->
          throw new IllegalArgumentException(
              "There is no policy '%s' to compare; known are full, h2o, streaming, snapkv"
                  .formatted(name));
    };
  }

  /** Prints one line a measurement, relative to the first. */
  public static void print(List<CachePerplexity> rows, PrintWriter out) {
    out.printf(
        "%-34s %-9s %10s %8s %10s %8s %12s %14s%n",
        "policy", "positions", "perplexity", "s.e.", "to first", "docs", "tokens/s", "cache bytes");
    for (CachePerplexity row : rows) {
      out.printf(
          "%-34s %-9s %10.4f %8.4f %+9.2f%% %8d %12.0f %14d%n",
          shown(row.policy()),
          name(row.positions()),
          row.value(),
          row.standardError() * row.value(),
          100 * (row.value() / rows.get(0).value() - 1),
          row.documents(),
          row.tokensPerSecond(),
          row.cacheBytes());
    }
  }

  /** Prints one column a measurement, one line a window of the stream. */
  public static void printStreams(List<StreamPerplexity> columns, PrintWriter out) {
    for (int i = 0; i < columns.size(); i++) {
      StreamPerplexity column = columns.get(i);
      out.printf(
          "%c: %s, positions %s; %.0f tokens/s, cache %,d bytes%n",
          'A' + i,
          shown(column.policy()),
          name(column.positions()),
          column.tokensPerSecond(),
          column.cacheBytes());
    }
    out.printf("%-16s", "tokens");
    for (int i = 0; i < columns.size(); i++) {
      out.printf(" %10c", 'A' + i);
    }
    out.println();
    StreamPerplexity first = columns.get(0);
    for (int window = 0; window < first.windows().size(); window++) {
      int from = window * first.windowTokens();
      out.printf("%,7d - %,6d", from, Math.min(first.tokens(), from + first.windowTokens()));
      for (StreamPerplexity column : columns) {
        out.printf(" %10.3f", column.windows().get(window));
      }
      out.println();
    }
    out.printf("%-16s", "all");
    for (StreamPerplexity column : columns) {
      out.printf(" %10.3f", column.value());
    }
    out.println();
    out.flush();
  }

  /** Here the full cache has no limit worth reading. */
  private static String shown(String policy) {
    return policy.startsWith("full") ? "full" : policy;
  }

  private static String name(RopePositions positions) {
    return positions == RopePositions.CACHE ? "cache" : "original";
  }
}
