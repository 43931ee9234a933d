package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.sinklora.data.BundledModel;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import picocli.CommandLine;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Continues a text. */
@Command(
    name = "generate",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Continues a text, token by token, from a KV cache of limited size.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora generate --prompt 'public final class Counter {'",
      "  sinklora generate --adapter run/adapter --kv h2o:heavy=0.1,recent=0.1 \\",
      "      --prompt-file long.txt --explain kept.json"
    })
public final class Generate implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  /** Where the text comes from. */
  static final class Prompt {
    @Option(names = "--prompt", paramLabel = "TEXT", description = "The text to continue.")
    private String text;

    @Option(
        names = "--prompt-file",
        paramLabel = "FILE",
        description = "A file with the text to continue, UTF-8.")
    private String file;
  }

  @ArgGroup(multiplicity = "1")
  private Prompt prompt;

  @Option(
      names = "--adapter",
      paramLabel = "FOLDER",
      description = "Adapter that 'train' wrote, or any PEFT adapter folder. Default: none.")
  private String adapter;

  @Option(
      names = "--model",
      paramLabel = "FOLDER",
      description =
          "Base model. Default: what the adapter names, or the bundled " + BundledModel.NAME + ".")
  private String model;

  @Mixin private GenerateOptions options;

  @Option(
      names = "--explain",
      paramLabel = "FILE",
      description =
          "Write which positions every layer and head kept, and their scores: FILE as JSON, and"
              + " beside it a web page that shows them over the text.")
  private String explain;

  @Mixin private DeviceOptions device;
  @Mixin private CommonOptions common;

  Generate() {}

  @Override
  public Integer call() throws Exception {
    Storage storage = Storage.here();
    String text = prompt.text != null ? prompt.text : storage.readText(prompt.file);
    ModelSource source = AdapterFolder.modelOrBundled(adapter, model, storage);
    DeviceChoice choice = device.resolve();
    if (choice.isGpu()) {
      spec.commandLine().getErr().println(choice.describe());
    }
    try (TextGeneration generation =
        TextGeneration.open(
            source, adapter, options.weights(), choice, options.threads(), storage)) {
      int[] ids = generation.prompt(text);
      PrintWriter out = spec.commandLine().getOut();
      GenerationRequest request =
          generation
              .request(ids)
              .optPolicy(options.policy())
              .optCachePrecision(options.cachePrecision())
              .optRopePositions(options.positions())
              .optMaxTokens(options.maxTokens())
              .optSampling(options.sampling())
              .optStopStrings(options.stopStrings())
              .optExplain(explain != null)
              .optListener(
                  token -> {
                    out.print(token.text());
                    out.flush();
                    return true;
                  })
              .build();
      String warned = generation.warning(request);
      warn(warned);
      long start = System.nanoTime();
      GenerationResult result = generation.run(request);
      double seconds = (System.nanoTime() - start) / 1e9;
      out.println();
      if (warned == null) {
        warn(result.warning());
      }
      if (explain != null) {
        writeExplanation(storage, generation, result);
      }
      report(generation, ids, result, seconds);
    }
    return 0;
  }

  private void warn(String warning) {
    if (warning != null) {
      spec.commandLine().getErr().println("Warning: " + warning);
    }
  }

  private void writeExplanation(Storage storage, TextGeneration generation, GenerationResult result)
      throws IOException {
    var pieces = generation.pieces(result.cacheReport().tokens());
    storage.writeText(explain, result.cacheReport().toJson(pieces).toPrettyString() + "\n");
    String page = explain.replaceFirst("\\.json$", "") + ".html";
    storage.writeText(page, result.cacheReport().toHtml(pieces));
    spec.commandLine().getErr().printf("Kept positions: %s and %s%n", explain, page);
  }

  private void report(TextGeneration generation, int[] ids, GenerationResult result, double seconds)
      throws IOException {
    long full = generation.fullCacheBytes(ids, result.tokens().length, options.cachePrecision());
    spec.commandLine()
        .getErr()
        .printf(
            "%,d tokens after a prompt of %,d in %.1f s; cache %,d bytes (%s), %,d with full%n",
            result.tokens().length,
            ids.length,
            seconds,
            result.cacheResidentBytes(),
            options.policy(),
            full);
    ObjectNode json = new JsonMapper().createObjectNode();
    json.put("text", result.text());
    json.put("finish", result.finish().name().toLowerCase(Locale.ROOT));
    json.put("promptTokens", ids.length);
    json.put("tokens", result.tokens().length);
    json.put("policy", options.policy().toString());
    json.put("cacheBytes", result.cacheResidentBytes());
    json.put("fullCacheBytes", full);
    json.put("seconds", seconds);
    json.put("warning", result.warning());
    common.writeJson(json);
  }
}
