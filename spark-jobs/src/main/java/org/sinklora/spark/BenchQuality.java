package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.AdapterWeights;
import org.sinklora.h2o.CachePerplexity;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.Generator;
import org.sinklora.h2o.QualityBench;
import org.sinklora.h2o.RopePositions;
import org.sinklora.h2o.ScoringOptions;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Perplexity against the budget of the cache. */
@Command(
    name = "quality",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Perplexity of held-out documents, scored while they are decoded token by token, for"
            + " policies at several budgets.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bench quality --documents spark-jobs/target/corpus/heldout/"
          + "lucene-core-9.12.0-sources.jar \\",
      "      --adapter sinklora-demo/sf/run/adapter --count 16"
    })
final class BenchQuality implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--documents",
      paramLabel = "JAR",
      required = true,
      description = "A Maven 'sources' jar; its long files are the documents.")
  private Path documents;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description = "Adapter that 'train' wrote. Default: none.")
  private String adapter;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      description = "Base model. Default: what the adapter names, or the bundled one.")
  private String model;

  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      defaultValue = "0",
      description = "Tokens of a document. Default: the model's context.")
  private int context;

  @Option(
      names = "--count",
      defaultValue = "16",
      description = "Documents at most. Default: ${DEFAULT-VALUE}.")
  private int count;

  @Option(
      names = "--policies",
      split = ",",
      defaultValue = "h2o,snapkv,streaming",
      description = "Policies to compare with full. Default: ${DEFAULT-VALUE}.")
  private List<String> policies;

  @Option(
      names = "--budgets",
      split = ",",
      defaultValue = "0.5,0.2,0.1,0.05",
      description = "Shares of a document that stay. Default: ${DEFAULT-VALUE}.")
  private List<Double> budgets;

  @Option(
      names = "--heavy",
      defaultValue = "0.5",
      description = "Share of h2o's budget for heavy hitters. Default: ${DEFAULT-VALUE}.")
  private double heavy;

  @Option(
      names = "--prompt",
      paramLabel = "TOKENS",
      defaultValue = "1",
      description = "Tokens read at once as prompt and not scored. Default: ${DEFAULT-VALUE}.")
  private int prompt;

  @Option(
      names = "--kv-precision",
      defaultValue = "float32",
      description = "How keys and values are stored: ${COMPLETION-CANDIDATES}.")
  private CachePrecision cachePrecision;

  @Option(
      names = "--positions",
      defaultValue = "original",
      description = "Positions of cached keys: ${COMPLETION-CANDIDATES}.")
  private RopePositions positions;

  @Option(names = "--threads", defaultValue = "0", description = "Default: all cores.")
  private int threads;

  @Mixin private CommonOptions common;

  BenchQuality() {}

  @Override
  public Integer call() throws Exception {
    Configuration hadoop = new Configuration();
    ModelSource source = AdapterFolder.modelOrBundled(adapter, model, hadoop);
    int length = context > 0 ? context : source.config().maxPositionEmbeddings();
    int workers = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    Path folder = source.folder(hadoop);
    try (CpuDevice device = new CpuDevice(workers);
        Tokenizer tokenizer = Tokenizer.load(folder);
        CausalLm base = CausalLm.load(folder, source.config(), device);
        LoraAdapter loaded = AdapterFolder.load(adapter, base, hadoop);
        Generator generator =
            Generator.builder(loaded == null ? base : base.withAdapter(loaded))
                .optAdapterWeights(AdapterWeights.MERGED)
                .build()) {
      List<int[]> windows = TokenDocuments.heldOut(tokenizer, documents).windows(length);
      if (windows.isEmpty()) {
        throw new UserException(
            "%s has no document of %,d tokens; take a smaller --context"
                .formatted(documents, length));
      }
      List<CachePerplexity> rows =
          QualityBench.run(
              generator, "", windows.subList(0, Math.min(count, windows.size())), options(length));
      QualityBench.print(rows, spec.commandLine().getOut());
      ObjectNode json = new JsonMapper().createObjectNode();
      json.put("context", length);
      json.set("quality", new JsonMapper().valueToTree(rows));
      common.writeJson(json);
    }
    return 0;
  }

  private List<ScoringOptions> options(int length) {
    List<ScoringOptions> all = new ArrayList<>();
    all.add(options("full", length, 1));
    for (String policy : policies) {
      for (double budget : budgets) {
        all.add(options(policy, length, budget));
      }
    }
    return all;
  }

  private ScoringOptions options(String policy, int length, double budget) {
    return new ScoringOptions(
        QualityBench.policy(policy, length, budget, heavy), cachePrecision, positions, prompt);
  }
}
