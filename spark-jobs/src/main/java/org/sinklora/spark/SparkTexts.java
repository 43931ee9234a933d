package org.sinklora.spark;

import java.io.IOException;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.Document;
import org.sinklora.data.JsonLines;

/** Reads the documents of {@link TextSources} in parallel. */
final class SparkTexts {
  private final SparkSession spark;
  private final String field;
  private final PreparationSettings settings;

  /**
   * @param field of JSON lines and Parquet that holds the text
   */
  SparkTexts(SparkSession spark, String field, PreparationSettings settings) {
    this.spark = spark;
    this.field = field;
    this.settings = settings;
  }

  /** All documents; the same document may come twice where inputs overlap. */
  JavaRDD<Text> read(TextSources sources) {
    JavaSparkContext context = SparkSessions.context(spark);
    int slices = Math.max(1, context.defaultParallelism() * 4);
    JavaRDD<Text> texts = context.emptyRDD();
    List<TextSources.Source> files = sources.of(TextSources.Kind.TEXT);
    if (!files.isEmpty()) {
      texts = texts.union(context.parallelize(files, slices).map(SparkTexts::text));
    }
    List<TextSources.Source> jars = sources.of(TextSources.Kind.SOURCE_JAR);
    if (!jars.isEmpty()) {
      texts =
          texts.union(
              context
                  .parallelize(jars, jars.size())
                  .flatMap(jar -> jar.sourceFiles(SparkSessions.taskStorage()).iterator()));
    }
    List<TextSources.Source> conversations = sources.of(TextSources.Kind.CONVERSATIONS);
    if (!conversations.isEmpty()) {
      PreparationSettings chosen = settings;
      texts =
          texts.union(
              context
                  .parallelize(conversations, conversations.size())
                  .flatMap(file -> conversations(file, chosen)));
    }
    String textField = field;
    for (TextSources.Source lines : sources.of(TextSources.Kind.JSON_LINES)) {
      String file = lines.file();
      texts =
          texts.union(
              context
                  .textFile(file)
                  .flatMap(
                      line ->
                          JsonLines.document(line, textField, "A line of " + file).stream()
                              .map(document -> Text.of("", document))
                              .iterator()));
    }
    List<TextSources.Source> tables = sources.of(TextSources.Kind.PARQUET);
    return tables.isEmpty() ? texts : texts.union(parquet(tables));
  }

  private JavaRDD<Text> parquet(List<TextSources.Source> tables) {
    String[] files = tables.stream().map(TextSources.Source::file).toArray(String[]::new);
    Dataset<Row> table;
    try (JobDescription job = JobDescription.of("prepare: looking at the inputs")) {
      table = spark.read().parquet(files);
    }
    if (!List.of(table.columns()).contains(field)) {
      throw new UserException(
          "%s has no column '%s'; it has %s; name the one with the text with --text-field"
              .formatted(files[0], field, List.of(table.columns())));
    }
    return table
        .select(field)
        .na()
        .drop()
        .javaRDD()
        .map(row -> Text.of("", Document.ofContent(row.getString(0))));
  }

  private static Iterator<Text> conversations(TextSources.Source file, PreparationSettings settings)
      throws IOException {
    return file.conversations(
        SparkSessions.taskStorage(),
        settings.supervision(),
        ExecutorTokenizers.of(settings.model()));
  }

  private static Text text(TextSources.Source source) throws IOException {
    return source.text(SparkSessions.taskStorage());
  }
}
