package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.Tokenizer;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Turns texts into a token data set; a Spark application. */
@Command(
    name = "prepare",
    mixinStandardHelpOptions = true,
    sortOptions = false,
    description = "Turns texts into a token data set.",
    footerHeading = "%nExamples:%n",
    footer = {
      "  sinklora prepare --input texts/ --output data/",
      "  sinklora prepare --input a.jsonl,b.parquet --text-field body --output data/",
      "  sinklora prepare --input lucene-core-9.12.0-sources.jar --held-out 1 --output test/",
      "  sinklora prepare --input texts/ --pack 4096 --output packed/",
      "  sinklora prepare --format alpaca --input alpaca.json --pack 4096 --output tuning/",
      "  sinklora prepare --format chat --chat-template chatml --input chats.jsonl --output chats/",
      "  sinklora prepare --input a-sources.jar,b-sources.jar --min-characters 14000 --held-out 0 \\",
      "      --token-files --output tokens/"
    })
public final class Prepare implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--input",
      paramLabel = "PATH",
      required = true,
      description =
          "Text files, JSON lines, Parquet, Maven 'sources' jars, or folders of them; may be"
              + " repeated, or several with commas between them.")
  private List<String> inputs;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives the data set.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder, finished or not.")
  private boolean overwrite;

  @Option(
      names = "--keep-parts",
      description =
          "Keep the hidden working folder beside the output: prepared again with further inputs"
              + " (and --overwrite), only these are tokenised. An interrupted run keeps it anyway.")
  private boolean keepParts;

  @Mixin private CommonOptions.Model model;

  @Option(
      names = "--format",
      defaultValue = "text",
      paramLabel = "text|alpaca|chat",
      description =
          "What the inputs hold: texts; or conversations, of which only the assistant's answers are"
              + " learnt, as JSON (an array, which one task reads, or one object a line): alpaca"
              + " (instruction, input, output) or chat (messages with role and content). Default:"
              + " ${DEFAULT-VALUE}.")
  private String format;

  @Option(
      names = "--chat-template",
      paramLabel = "TEMPLATE",
      description =
          "How conversations are written out: model (its chat_template), llama2, alpaca, chatml, or"
              + " a file with a Jinja template. Default: the model's, or alpaca for its format.")
  private String chatTemplate;

  @Option(
      names = "--text-field",
      defaultValue = "text",
      paramLabel = "NAME",
      description = "Field of JSON lines or column of Parquet. Default: ${DEFAULT-VALUE}.")
  private String field;

  @Option(
      names = "--extensions",
      split = ",",
      defaultValue = ".txt,.md",
      paramLabel = "EXTENSION",
      description = "What text files in a folder end with. Default: ${DEFAULT-VALUE}.")
  private List<String> extensions;

  @Option(
      names = "--held-out",
      defaultValue = "0.05",
      paramLabel = "SHARE",
      description =
          "Share of the documents that is kept for evaluation, 0 to 1. Default: ${DEFAULT-VALUE}.")
  private double heldOut;

  @Option(
      names = "--min-characters",
      defaultValue = "0",
      paramLabel = "N",
      description = "Leave out shorter documents. Default: ${DEFAULT-VALUE}.")
  private int minimumCharacters;

  @Option(
      names = "--near-duplicates",
      defaultValue = "0",
      paramLabel = "SIMILARITY",
      description =
          "Also leave out texts that share this part of their runs of five words with another, for"
              + " example 0.8. Default: equal texts alone.")
  private double nearDuplicates;

  @Option(
      names = "--pack",
      defaultValue = "0",
      paramLabel = "TOKENS",
      description =
          "Pack the training documents into sequences of this length; of each 4,096 documents the"
              + " last sequence is as long as what is left. Default: keep documents, of which"
              + " training takes random windows. Conversations stay whole: as many a sequence as"
              + " fit, longer ones are left out; without --pack one a sequence.")
  private int pack;

  @Option(
      names = "--token-files",
      description =
          "Write token files, two bytes a token, instead of Parquet: this process does it alone, and"
              + " machines without Spark can train on them.")
  private boolean tokenFiles;

  @Mixin private CommonOptions common;

  Prepare() {}

  /** Entry point for {@code spark-submit}. */
  public static void main(String[] arguments) {
    SinkLora.main(arguments, "prepare");
  }

  @Override
  public Integer call() throws Exception {
    if (pack < 0 || pack == 1) {
      throw new UserException("--pack is %d; choose 2 or more".formatted(pack));
    }
    if (!(nearDuplicates >= 0 && nearDuplicates < 1)) {
      throw new UserException(
          "--near-duplicates is %s; choose above 0 and below 1, or 0 to keep them"
              .formatted(nearDuplicates));
    }
    if (nearDuplicates > 0 && tokenFiles) {
      throw new UserException(
          "--near-duplicates are found with Spark; leave out it or --token-files");
    }
    if (keepParts && tokenFiles) {
      throw new UserException("--token-files are made in one go; leave out --keep-parts");
    }
    if (pack > 0 && tokenFiles) {
      throw new UserException("--token-files keeps documents as they are; leave out --pack");
    }
    if (!tokenFiles) {
      ClassPath.requireSpark("'prepare' without --token-files");
    }
    if (!tokenFiles && "none".equals(common.master())) {
      throw new UserException(
          "--master is none, but Parquet is written with Spark; leave it out, or write --token-files, for which this process is enough");
    }
    if (tokenFiles && !format.equals("text")) {
      throw new UserException(
          "--token-files have no place for the labels of conversations; leave it out");
    }
    Storage storage = Storage.here();
    ModelSource source = ModelSource.of(model.location(), storage);
    Supervision supervision = Supervision.of(format, chatTemplate, source, storage);
    PreparationSettings settings =
        new PreparationSettings(
            source,
            new HeldOutSplit(heldOut),
            minimumCharacters,
            pack,
            supervision,
            nearDuplicates);
    PrepareRequest request =
        new PrepareRequest(
            PathList.of(inputs, storage),
            field,
            extensions,
            output,
            overwrite,
            keepParts,
            tokenFiles,
            supervision != null);
    try (Tokenizer tokenizer = Tokenizer.load(source.folder(storage))) {
      ModelFit.check(tokenizer, source);
      Prepared prepared =
          tokenFiles
              ? tokenFiles(request, settings, tokenizer, storage)
              : Preparation.run(common.master(), settings, request, tokenizer);
      report(prepared);
    }
    return 0;
  }

  private static Prepared tokenFiles(
      PrepareRequest request, PreparationSettings settings, Tokenizer tokenizer, Storage storage)
      throws IOException {
    TextSources texts = request.find(storage);
    String fingerprint = request.fingerprint(texts, settings, tokenizer);
    if (request.isDone(storage, fingerprint)) {
      return null;
    }
    try (SourceTexts read = new SourceTexts(texts, request.field())) {
      return new TokenPreparation(storage, settings)
          .write(read, tokenizer, request.output(), fingerprint);
    }
  }

  private void report(Prepared prepared) throws IOException {
    if (prepared == null) {
      common.writeJson(
          new JsonMapper().createObjectNode().put("output", output).put("nothing_to_do", true));
      spec.commandLine()
          .getOut()
          .printf(
              "%s: nothing to do, it is made of these inputs with these settings; --overwrite makes it again%n",
              output);
      return;
    }
    DataSetInfo info = prepared.info();
    ObjectNode result = new JsonMapper().valueToTree(info);
    result.put("output", output);
    result.put("seconds", prepared.report().seconds());
    result.set("report", prepared.report().json());
    common.writeJson(result);
    spec.commandLine()
        .getOut()
        .printf(
            "%s: %,d rows, %,d tokens to train on; %,d documents, %,d tokens held out; %.1f s%n%s%n",
            output,
            info.train().rows(),
            info.train().tokens(),
            info.heldOut().rows(),
            info.heldOut().tokens(),
            prepared.report().seconds(),
            prepared.report().describe());
  }
}
