package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Callable;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;
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
      "  sinklora prepare --input texts/ --pack 4096 --output packed/"
    })
public final class Prepare implements Callable<Integer> {
  @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

  @Option(
      names = "--input",
      paramLabel = "PATH",
      split = ",",
      required = true,
      description =
          "Text files, JSON lines, Parquet, Maven 'sources' jars, or folders of them; may be"
              + " repeated.")
  private List<String> inputs;

  @Option(
      names = "--output",
      paramLabel = "FOLDER",
      required = true,
      description = "Receives the data set.")
  private String output;

  @Option(names = "--overwrite", description = "Replace the output folder.")
  private boolean overwrite;

  @Mixin private CommonOptions.Model model;

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
      names = "--pack",
      defaultValue = "0",
      paramLabel = "TOKENS",
      description =
          "Pack the training documents into sequences of this length. Default: keep documents, of"
              + " which training takes random windows.")
  private int pack;

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
    ModelSource source = ModelSource.of(model.location(), new Configuration());
    HeldOutSplit split = new HeldOutSplit(heldOut);
    try (Tokenizer tokenizer = Tokenizer.load(source.folder(new Configuration()));
        SparkSession spark = SparkSessions.open("prepare", common.master())) {
      ModelFit.check(tokenizer, source);
      Path target = new Path(output);
      SparkSessions.storage(spark).checkOutput(target, overwrite, DataSetInfo.FILE);
      TextSources texts = new TextSources(spark, field, extensions);
      for (String input : inputs) {
        texts.add(input);
      }
      long start = System.nanoTime();
      DataSetInfo info =
          new Preparation(spark, new Preparation.Settings(source, split, minimumCharacters, pack))
              .write(texts.read(), tokenizer, target);
      report(info, (System.nanoTime() - start) / 1e9);
    }
    return 0;
  }

  private void report(DataSetInfo info, double seconds) throws IOException {
    ObjectNode result = new JsonMapper().valueToTree(info);
    result.put("output", output);
    result.put("seconds", seconds);
    common.writeJson(result);
    spec.commandLine()
        .getOut()
        .printf(
            "%s: %,d rows, %,d tokens to train on; %,d documents, %,d tokens held out; %.1f s%n",
            output,
            info.train().rows(),
            info.train().tokens(),
            info.heldOut().rows(),
            info.heldOut().tokens(),
            seconds);
  }
}
