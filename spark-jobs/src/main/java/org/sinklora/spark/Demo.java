package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** The whole way on a small example: prepare, train, evaluate, export, generate. */
@Command(
    name = "demo",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description =
        "Fine-tunes the bundled model from a context of 512 tokens to 4,096 and evaluates it: a few"
            + " minutes on two cores.",
    footerHeading = "%nExamples:%n",
    footer = {"  sinklora demo --json demo.json", "  sinklora demo --attention s2"})
public final class Demo implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--attention",
      defaultValue = "sf",
      description =
          "full, sf (Sink Fixed) or s2 (LongLoRA's, for comparison). Default: ${DEFAULT-VALUE}.")
  private String attention;

  @Option(
      names = "--corpus",
      paramLabel = "FOLDER",
      defaultValue = "${sys:sinklora.corpus}",
      description = "Has train/ and heldout/ with Maven 'sources' jars. Default: the build's.")
  private String corpus;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      description = "Receives everything; replaced. Default: sinklora-demo/ATTENTION.")
  private String output;

  @Option(
      names = "--steps",
      defaultValue = "100",
      description = "Training steps of one sequence. Default: ${DEFAULT-VALUE}.")
  private int steps;

  @Option(
      names = "--context",
      defaultValue = "4096",
      paramLabel = "TOKENS",
      description = "Context to train for. Default: ${DEFAULT-VALUE}.")
  private int context;

  @Option(
      names = "--documents",
      defaultValue = "48",
      paramLabel = "N",
      description = "Held-out documents to evaluate on. Default: ${DEFAULT-VALUE}.")
  private int documents;

  @Mixin private CommonOptions common;

  Demo() {}

  @Override
  public Integer call() throws Exception {
    ClassPath.requireSpark("The demo");
    DemoPlan plan =
        new DemoPlan(
            attention,
            corpusFolder(),
            output == null ? "sinklora-demo/" + attention : output,
            steps,
            context,
            documents);
    ObjectNode result = DemoRun.run(common.master(), plan, spec.commandLine().getErr());
    common.writeJson(result);
    Storage.here().writeText(Storage.child(plan.output(), "demo.json"), result.toPrettyString());
    print(spec.commandLine().getOut(), result);
    return 0;
  }

  private Path corpusFolder() throws IOException {
    Path folder = corpus == null || corpus.isBlank() ? null : Path.of(corpus);
    if (folder == null || !Files.isDirectory(folder)) {
      throw new UserException(
          "The demo needs the texts that the build fetches%s; start it as ./sinklora demo, or pass --corpus"
              .formatted(folder == null ? "" : " into " + folder));
    }
    return folder;
  }

  private static void print(PrintWriter out, ObjectNode result) {
    out.printf("%n%-12s %8s %12s%n", "", "context", "perplexity");
    result
        .path("perplexity")
        .forEach(
            row ->
                out.printf(
                    "%-12s %,8d %12.2f%n",
                    row.path("name").asText(),
                    row.path("context").asInt(),
                    row.path("value").asDouble()));
    JsonNode generation = result.path("generation");
    out.printf(
        "%nGenerated %d tokens after %,d with %s: the cache took %,d bytes where full takes %,d.%n",
        generation.path("tokens").asInt(),
        generation.path("promptTokens").asInt(),
        generation.path("policy").asText(),
        generation.path("cacheBytes").asLong(),
        generation.path("fullCacheBytes").asLong());
    out.printf(
        "%nAdapter: %s%nReport: %s%nTime: %.0f s%n",
        result.path("adapter").asText(),
        result.path("report").asText(),
        result.path("seconds").path("total").asDouble());
  }
}
