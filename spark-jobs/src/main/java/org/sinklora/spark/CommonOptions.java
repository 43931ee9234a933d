package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import org.sinklora.data.BundledModel;
import picocli.CommandLine.Option;

/** Options that every command has. */
final class CommonOptions {
  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "Settings in a .yaml, .yml or .properties file, named like the options; options given"
              + " win.")
  private String config;

  @Option(names = "--json", paramLabel = "FILE", description = "Also write the result as JSON.")
  private String json;

  @Option(
      names = "--master",
      paramLabel = "URL",
      description =
          "Where Spark runs; none: this process works alone, without Spark, which writes no Parquet."
              + " Default: what spark-submit says, else local[*].")
  private String master;

  @Option(names = "--verbose", description = "Show where a failure came from.")
  private boolean verbose;

  String master() {
    return master;
  }

  boolean verbose() {
    return verbose;
  }

  /** Writes the result if a file was asked for. */
  void writeJson(JsonNode result) throws IOException {
    if (json != null) {
      Storage.here().writeText(json, result.toPrettyString() + System.lineSeparator());
    }
  }

  /** The base model; the same in every command that has one. */
  static final class Model {
    @Option(
        names = "--model",
        paramLabel = "FOLDER",
        defaultValue = BundledModel.NAME,
        description = "Hugging Face model folder. Default: the bundled ${DEFAULT-VALUE}.")
    private String model;

    /** The same however it is written: it is compared when a run goes on. */
    String location() {
      return Storage.withoutSlash(model);
    }
  }
}
