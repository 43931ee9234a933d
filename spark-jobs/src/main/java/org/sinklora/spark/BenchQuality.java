package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.sinklora.compute.Device;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.AdapterWeights;
import org.sinklora.h2o.CachePerplexity;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.Generator;
import org.sinklora.h2o.QualityBench;
import org.sinklora.h2o.RopePositions;
import org.sinklora.h2o.ScoringOptions;
import org.sinklora.h2o.StreamPerplexity;
import org.sinklora.h2o.TokenCount;
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
            + " policies at several budgets; or along one long stream.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora bench quality --documents spark-jobs/target/corpus/heldout/"
          + "lucene-core-9.12.0-sources.jar \\",
      "      --adapter sinklora-demo/sf/run/adapter --count 16",
      "  sinklora bench quality --documents spark-jobs/target/corpus/heldout/"
          + "lucene-core-9.12.0-sources.jar \\",
      "      --stream 20000 --budgets 256"
    })
final class BenchQuality implements Callable<Integer> {
  private static final JsonMapper JSON = new JsonMapper();

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
      description =
          "Policies to compare: h2o, snapkv, streaming, full. Default: h2o,snapkv,streaming, and"
              + " full to compare with; of a stream streaming,h2o.")
  private List<String> policies;

  @Option(
      names = "--budgets",
      split = ",",
      description =
          "What stays: a number of tokens, or with a decimal point a share: of the prompt if more"
              + " than one token of a document is read as prompt, of the document otherwise, of the"
              + " model's context in a stream. Default: 0.5,0.2,0.1,0.05; of a stream 0.5.")
  private List<String> budgets;

  @Option(
      names = "--heavy",
      defaultValue = "0.5",
      description = "Share of h2o's budget for heavy hitters. Default: ${DEFAULT-VALUE}.")
  private double heavy;

  @Option(
      names = "--prompt",
      paramLabel = "TOKENS",
      defaultValue = "0",
      description =
          "Tokens of a document that are read at once as prompt and not scored. snapkv cuts a prompt"
              + " and nothing else. Default: two tables, one with 1 for the other policies, one with"
              + " half the document for all.")
  private int prompt;

  @Option(
      names = "--stream",
      paramLabel = "TOKENS",
      defaultValue = "0",
      description =
          "Decode this many tokens of the documents, one behind the other, as one stream, and print"
              + " its perplexity window by window: whether a policy stays fluent past the model's"
              + " context.")
  private int stream;

  @Option(
      names = "--window",
      paramLabel = "TOKENS",
      defaultValue = "1000",
      description = "Tokens of a window of the stream. Default: ${DEFAULT-VALUE}.")
  private int window;

  @Option(
      names = "--kv-precision",
      defaultValue = "float32",
      description = "How keys and values are stored: ${COMPLETION-CANDIDATES}.")
  private CachePrecision cachePrecision;

  @Option(
      names = "--positions",
      split = ",",
      description =
          "Positions of cached keys: ${COMPLETION-CANDIDATES}. Default: original; of a stream both.")
  private List<RopePositions> positions;

  @Option(names = "--threads", defaultValue = "0", description = "Default: all cores.")
  private int threads;

  @Mixin private DeviceOptions deviceOptions;

  @Mixin private CommonOptions common;

  BenchQuality() {}

  @Override
  public Integer call() throws Exception {
    Storage storage = Storage.here();
    ModelSource source = AdapterFolder.modelOrBundled(adapter, model, storage);
    int workers = threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
    Path folder = source.folder(storage);
    DeviceChoice choice = deviceOptions.resolve();
    try (Device device = choice.open(workers);
        Tokenizer tokenizer = Tokenizer.load(folder);
        CausalLm base = CausalLm.load(folder, source.config(), device);
        LoraAdapter loaded = AdapterFolder.load(adapter, base, storage);
        Generator generator =
            Generator.builder(loaded == null ? base : base.withAdapter(loaded))
                .optAdapterWeights(AdapterWeights.MERGED)
                .build()) {
      TokenDocuments texts = TokenDocuments.heldOut(tokenizer, documents);
      int trained = source.config().contextLength();
      ObjectNode json =
          stream > 0
              ? scoreStream(generator, texts, trained)
              : scoreDocuments(generator, texts, trained);
      common.writeJson(json);
    }
    return 0;
  }

  private ObjectNode scoreDocuments(Generator generator, TokenDocuments texts, int trained) {
    int length = context > 0 ? context : trained;
    List<int[]> windows = texts.windows(length);
    if (windows.isEmpty()) {
      throw new UserException(
          "%s has no document of %,d tokens; take a smaller --context"
              .formatted(documents, length));
    }
    List<int[]> scored = windows.subList(0, Math.min(count, windows.size()));
    List<CachePerplexity> all = new ArrayList<>();
    PrintWriter out = spec.commandLine().getOut();
    for (QualityProtocol protocol : QualityProtocol.of(length, prompt, policies)) {
      out.println(protocol.description(scored.size()));
      List<CachePerplexity> rows = new ArrayList<>();
      for (ScoringOptions options :
          protocol.options(
              budgets("0.5", "0.2", "0.1", "0.05"), heavy, cachePrecision, positions())) {
        rows.add(CachePerplexity.of(generator, "", scored, options));
      }
      QualityBench.print(rows, out);
      out.println();
      all.addAll(rows);
    }
    ObjectNode json = JSON.createObjectNode();
    json.put("context", length);
    json.set("quality", JSON.valueToTree(all));
    return json;
  }

  private ObjectNode scoreStream(Generator generator, TokenDocuments texts, int trained)
      throws IOException {
    List<ScoringOptions> options =
        QualityProtocol.ofStream(
            trained, policies, budgets("0.5"), heavy, cachePrecision, streamPositions());
    if (texts.tokens() < stream) {
      throw new UserException(
          "%s has %,d tokens in its long files; take a smaller --stream than %,d"
              .formatted(documents, texts.tokens(), stream));
    }
    int[] tokens = texts.stream().read(0, stream);
    PrintWriter out = spec.commandLine().getOut();
    out.printf(
        "The first %,d tokens of the documents one behind the other, decoded one by one; perplexity"
            + " of windows of %,d. The model's context is %,d tokens.%n",
        stream, window, trained);
    out.flush();
    List<StreamPerplexity> columns = new ArrayList<>();
    for (ScoringOptions each : options) {
      columns.add(StreamPerplexity.of(generator, "", tokens, window, each));
    }
    QualityBench.printStreams(columns, out);
    ObjectNode json = JSON.createObjectNode();
    json.put("context", trained);
    json.set("stream", JSON.valueToTree(columns));
    return json;
  }

  private List<TokenCount> budgets(String... otherwise) {
    List<String> texts = budgets == null ? List.of(otherwise) : budgets;
    return texts.stream().map(TokenCount::parse).toList();
  }

  private List<RopePositions> positions() {
    return positions == null ? List.of(RopePositions.ORIGINAL) : positions;
  }

  private List<RopePositions> streamPositions() {
    return positions == null ? List.of(RopePositions.values()) : positions;
  }
}
