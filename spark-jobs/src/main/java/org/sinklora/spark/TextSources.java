package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.Document;
import org.sinklora.data.JsonLines;
import org.sinklora.data.SourceJar;
import org.sinklora.data.TextFiles;

/** Finds and reads the documents of the inputs of {@link Prepare}, in parallel. */
final class TextSources {
  /** What a file is, told by its name. */
  private enum Kind {
    TEXT,
    JSON_LINES,
    PARQUET,
    SOURCE_JAR
  }

  /** A file and what its documents' names begin with. */
  private record Source(String file, String prefix) implements Serializable {}

  private final SparkSession spark;
  private final String field;
  private final List<String> extensions;
  private final Map<Kind, List<Source>> sources = new EnumMap<>(Kind.class);

  /**
   * @param field of JSON lines and Parquet that holds the text
   * @param extensions of plain-text files
   */
  TextSources(SparkSession spark, String field, List<String> extensions) {
    this.spark = spark;
    this.field = field;
    this.extensions = extensions;
    for (Kind kind : Kind.values()) {
      sources.put(kind, new ArrayList<>());
    }
  }

  /**
   * Adds a file, or every file of a folder that is text.
   *
   * @throws UserException if it does not exist or has nothing to read
   */
  void add(String input) throws IOException {
    Storage storage = SparkSessions.storage(spark);
    Path path = new Path(input);
    if (!storage.exists(path)) {
      throw new UserException("The input %s does not exist".formatted(input));
    }
    boolean folder = storage.fileSystem(path).getFileStatus(path).isDirectory();
    int found = 0;
    long bytes = 0;
    for (FileStatus file : storage.files(path)) {
      Kind kind = kind(file.getPath().getName(), !folder);
      if (kind != null) {
        sources.get(kind).add(source(storage, path, file.getPath(), folder, kind));
        found++;
        bytes += file.getLen();
      }
    }
    if (found == 0) {
      throw new UserException(
          "%s and its subfolders have no file that ends with one of %s, .jsonl, .parquet or .jar; name others with --extensions"
              .formatted(input, String.join(", ", extensions)));
    }
    if (bytes == 0) {
      throw new UserException("The input %s is empty; give it some text".formatted(input));
    }
  }

  private Kind kind(String name, boolean namedByUser) {
    String lower = name.toLowerCase(Locale.ROOT);
    if (lower.endsWith(".jsonl")) {
      return Kind.JSON_LINES;
    }
    if (lower.endsWith(".parquet")) {
      return Kind.PARQUET;
    }
    if (lower.endsWith(".jar")) {
      return Kind.SOURCE_JAR;
    }
    return namedByUser || extensions.stream().anyMatch(name::endsWith) ? Kind.TEXT : null;
  }

  /** Files are named by their path below the input, so that the input can be elsewhere. */
  private static Source source(Storage storage, Path input, Path file, boolean folder, Kind kind)
      throws IOException {
    Path root = storage.fileSystem(input).makeQualified(input);
    String path = storage.fileSystem(file).makeQualified(file).toUri().getPath();
    String below =
        folder ? path.substring(root.toUri().getPath().length()).replaceFirst("^/", "") : "";
    String name = folder ? root.getName() + "/" + below : root.getName();
    return new Source(file.toString(), kind == Kind.SOURCE_JAR ? name + "/" : name);
  }

  /** All documents; the same document may come twice where inputs overlap. */
  JavaRDD<Text> read() {
    JavaSparkContext context = SparkSessions.context(spark);
    int slices = Math.max(1, context.defaultParallelism() * 4);
    JavaRDD<Text> texts = context.emptyRDD();
    List<Source> files = sources.get(Kind.TEXT);
    if (!files.isEmpty()) {
      texts = texts.union(context.parallelize(files, slices).map(TextSources::text));
    }
    List<Source> jars = sources.get(Kind.SOURCE_JAR);
    if (!jars.isEmpty()) {
      texts =
          texts.union(
              context.parallelize(jars, jars.size()).flatMap(jar -> sourceFiles(jar).iterator()));
    }
    String textField = field;
    for (Source lines : sources.get(Kind.JSON_LINES)) {
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
    if (!sources.get(Kind.PARQUET).isEmpty()) {
      texts = texts.union(parquet());
    }
    return texts;
  }

  private JavaRDD<Text> parquet() {
    String[] files = sources.get(Kind.PARQUET).stream().map(Source::file).toArray(String[]::new);
    var table = spark.read().parquet(files);
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

  private static Text text(Source source) throws IOException {
    byte[] content = taskStorage().readBytes(new Path(source.file()));
    return new Text(source.prefix(), TextFiles.decode(source.file(), content));
  }

  private static List<Text> sourceFiles(Source jar) throws IOException {
    try (LocalFolder local = new LocalFolder()) {
      java.nio.file.Path copy = local.path().resolve("sources.jar");
      Path file = new Path(jar.file());
      try (var in = taskStorage().fileSystem(file).open(file)) {
        Files.copy(in, copy);
      }
      List<Text> texts = new ArrayList<>();
      for (Document document : SourceJar.read(copy)) {
        texts.add(Text.of(jar.prefix(), document));
      }
      if (texts.isEmpty()) {
        throw new UserException(
            jar.file() + " holds no Java or Scala source; give the jar with classifier 'sources'");
      }
      return texts;
    }
  }

  private static Storage taskStorage() {
    return new Storage(SparkHadoopUtil.get().conf());
  }
}
