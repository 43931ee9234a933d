package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.sinklora.lora.Perplexity;
import org.sinklora.lora.Quantization;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Perplexity on held-out documents; a Spark application. */
@Command(
    name = "perplexity",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Perplexity on the held-out documents of a data set, under full attention.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora eval perplexity --data data/ --adapter run/adapter --lengths 512,2048,4096",
      "  sinklora eval perplexity --data data/ --lengths 4096 --context 4096",
      "  sinklora eval perplexity --data data/ --protocol stream --stride 256 --lengths 4096"
    })
public final class EvalPerplexity implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--data",
      paramLabel = "FOLDER",
      required = true,
      description =
          "Data set that 'prepare' wrote, of which the held-out documents are used; or a token file,"
              + " text, JSON lines or a 'sources' jar, used whole.")
  private String data;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description = "Adapter to evaluate. Default: none, the base model.")
  private String adapter;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      description = "Base model. Default: what the adapter names, else the bundled model.")
  private String model;

  @Option(
      names = "--context",
      paramLabel = "TOKENS",
      defaultValue = "0",
      description = "Context to extend the base to, without an adapter. Default: the model's own.")
  private int context;

  @Option(
      names = "--rope-scaling",
      defaultValue = "linear",
      description =
          "How positions reach it: linear, dynamic, yarn or none. Default: ${DEFAULT-VALUE}.")
  private String ropeScaling;

  @Option(
      names = "--lengths",
      split = ",",
      paramLabel = "TOKENS",
      description = "Lengths of the windows. Default: the context.")
  private List<Integer> lengths = List.of();

  @Option(
      names = "--protocol",
      defaultValue = "documents",
      description = "documents or stream (LongLoRA's). Default: ${DEFAULT-VALUE}.")
  private EvaluationWindows.Protocol protocol;

  @Option(
      names = "--stride",
      defaultValue = "256",
      paramLabel = "TOKENS",
      description = "From window to window of the stream. Default: ${DEFAULT-VALUE}.")
  private int stride;

  @Option(
      names = "--documents",
      defaultValue = "0",
      paramLabel = "N",
      description = "How many documents at most, the first. Default: all.")
  private int documents;

  @Option(
      names = "--min-tokens",
      defaultValue = "0",
      paramLabel = "TOKENS",
      description = "What a document must have. Default: the largest of the lengths.")
  private int minimumTokens;

  @Option(
      names = "--tail",
      paramLabel = "TOKENS",
      description = "Count the last predictions of each window alone.")
  private int tail = Integer.MAX_VALUE;

  @Option(
      names = "--run",
      paramLabel = "FOLDER",
      description = "Output folder of 'train', whose report shall have the result, too.")
  private String run;

  @Option(
      names = "--quantization",
      paramLabel = "none|nf4",
      description =
          "How the base's linears are kept. Default: as the adapter was trained, or none.")
  private String quantization;

  @Mixin private DeviceOptions device;
  @Mixin private CommonOptions common;

  EvalPerplexity() {}

  /** Entry point for {@code spark-submit}. */
  public static void main(String[] arguments) {
    SinkLora.main(arguments, "eval", "perplexity");
  }

  @Override
  public Integer call() throws Exception {
    if (context < 0) {
      throw new UserException("--context is %d; choose 2 or more".formatted(context));
    }
    if (adapter != null && context > 0) {
      throw new UserException(
          "--context is for the base model; an adapter brings the context it was trained for");
    }
    Storage storage = Storage.here();
    if (run != null) {
      TrainingReport.check(storage, run);
    }
    ModelSource source =
        AdapterFolder.modelOrBundled(adapter, model, storage).extended(context, ropeScaling);
    if (quantization != null) {
      source = source.quantized(Quantization.parse(quantization));
    }
    PerplexityEvaluation evaluation =
        new PerplexityEvaluation(
            data,
            protocol,
            lengths.isEmpty() ? List.of(source.config().contextLength()) : lengths,
            stride,
            documents,
            minimumTokens,
            tail);
    try (Place place = Place.open("eval perplexity", common.master(), device)) {
      long start = System.nanoTime();
      Map<Integer, Perplexity> found = evaluation.of(place, source, adapter);
      ObjectNode result = json(evaluation.describe(), source, found);
      result.put("seconds", (System.nanoTime() - start) / 1e9);
      common.writeJson(result);
      if (run != null) {
        String name = adapter == null ? "base" : "adapter";
        RunPerplexity.add(storage, run, name, evaluation.describe(), found);
      }
      print(evaluation.describe(), found);
    }
    return 0;
  }

  private ObjectNode json(String how, ModelSource source, Map<Integer, Perplexity> found) {
    ObjectNode result = new JsonMapper().createObjectNode();
    result.put("model", source.location());
    result.put("adapter", adapter);
    result.put("quantization", source.quantization().toString());
    result.put("data", data);
    result.put("protocol", how);
    ArrayNode list = result.putArray("perplexity");
    found.forEach(
        (length, perplexity) ->
            list.addObject()
                .put("context", length)
                .put("value", perplexity.value())
                .put("mean_loss", perplexity.meanLoss())
                .put("standard_error", perplexity.standardError())
                .put("windows", perplexity.windows())
                .put("predictions", perplexity.predictions()));
    return result;
  }

  private void print(String how, Map<Integer, Perplexity> found) {
    PrintWriter out = spec.commandLine().getOut();
    out.println("Perplexity (" + how + ")");
    out.printf("%8s  %10s  %10s  %8s%n", "tokens", "perplexity", "+/- (1 se)", "windows");
    found.forEach(
        (length, perplexity) ->
            out.printf(
                "%,8d  %10.3f  %10.3f  %,8d%n",
                length,
                perplexity.value(),
                perplexity.value() * perplexity.standardError(),
                perplexity.windows()));
  }
}
