package org.sinklora.h2o;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.ModelConfig;

/**
 * What a cache's budget costs: perplexity of held-out documents, decoded token by token, for
 * policies at several budgets. From the command line: {@code --documents SOURCES.jar} and, all
 * optional, {@code --model FOLDER --adapter FOLDER --context 4096 --count 16 --policies
 * full,h2o,snapkv,streaming --budgets 0.5,0.2,0.1,0.05 --heavy 0.5 --prompt 1 --cache float32
 * --positions original --threads 2 --batch 16}.
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
  public static void print(List<CachePerplexity> rows, PrintStream out) {
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

  public static void main(String[] arguments) throws IOException {
    CommandOptions options =
        CommandOptions.parse(
            arguments,
            Map.ofEntries(
                Map.entry("--documents", ""),
                Map.entry("--model", ""),
                Map.entry("--adapter", ""),
                Map.entry("--context", "4096"),
                Map.entry("--count", "16"),
                Map.entry("--policies", "h2o,streaming,snapkv"),
                Map.entry("--budgets", "0.5,0.2,0.1,0.05"),
                Map.entry("--heavy", "0.5"),
                Map.entry("--prompt", "1"),
                Map.entry("--cache", "float32"),
                Map.entry("--positions", "original"),
                Map.entry("--threads", "2"),
                Map.entry("--batch", "16")));
    if (options.text("--documents").isEmpty()) {
      throw new IllegalArgumentException("--documents is missing: the path of a sources jar");
    }
    String given = options.text("--model");
    Path folder = given.isEmpty() ? BundledModel.folder() : Path.of(given);
    int context = options.number("--context");
    try (CpuDevice device = new CpuDevice(options.number("--threads"));
        Tokenizer tokenizer = Tokenizer.load(folder);
        CausalLm base = CausalLm.load(folder, extended(ModelConfig.read(folder), context), device);
        LoraAdapter adapter = adapter(options.text("--adapter"), base)) {
      CausalLm model = adapter == null ? base : base.withAdapter(adapter);
      List<int[]> windows =
          TokenDocuments.heldOut(tokenizer, Path.of(options.text("--documents"))).windows(context);
      List<int[]> documents =
          windows.subList(0, Math.min(windows.size(), options.number("--count")));
      try (Generator generator =
          Generator.builder(model)
              .optAdapterWeights(AdapterWeights.MERGED)
              .optMaxBatch(options.number("--batch"))
              .build()) {
        print(run(generator, "", documents, comparisons(options, context)), System.out);
      }
    }
  }

  private static LoraAdapter adapter(String folder, CausalLm base) throws IOException {
    return folder.isEmpty() ? null : LoraAdapter.load(Path.of(folder), base);
  }

  /** The configuration at a longer context, by position interpolation, as it is fine-tuned. */
  private static ModelConfig extended(ModelConfig config, int context) {
    if (context <= config.maxPositionEmbeddings()) {
      return config;
    }
    double factor = (double) context / config.maxPositionEmbeddings();
    return config.withContext(context, config.rope().extendedLinearly(factor));
  }

  private static List<ScoringOptions> comparisons(CommandOptions options, int context) {
    CachePrecision precision =
        CachePrecision.valueOf(options.text("--cache").toUpperCase(Locale.ROOT));
    RopePositions rope =
        RopePositions.valueOf(options.text("--positions").toUpperCase(Locale.ROOT));
    int prompt = options.number("--prompt");
    double heavy = Double.parseDouble(options.text("--heavy"));
    List<ScoringOptions> all = new ArrayList<>();
    all.add(new ScoringOptions(policy("full", context, 1, 0), precision, rope, prompt));
    for (String name : options.text("--policies").split(",", -1)) {
      for (String budget : options.text("--budgets").split(",", -1)) {
        KvCachePolicy policy = policy(name, context, Double.parseDouble(budget), heavy);
        all.add(new ScoringOptions(policy, precision, rope, prompt));
      }
    }
    return all;
  }
}
