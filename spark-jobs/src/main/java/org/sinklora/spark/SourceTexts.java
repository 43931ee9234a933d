package org.sinklora.spark;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import org.sinklora.data.Document;
import org.sinklora.data.JsonLines;
import org.sinklora.data.Utf8Lines;

/**
 * The texts of {@link TextSources}, read by this process: one by one, or those of a jar at once.
 * The same one may come twice where inputs overlap.
 */
final class SourceTexts implements Closeable {
  private final Storage storage;
  private final String field;
  private final Deque<TextSources.Source> files;
  private final Deque<TextSources.Source> jars;
  private final Deque<TextSources.Source> linesFiles;
  private final Deque<Text> ofJar = new ArrayDeque<>();
  private Utf8Lines lines;

  /**
   * @param field of JSON lines that holds the text
   * @throws UserException if there is Parquet, which Spark reads
   */
  SourceTexts(TextSources sources, String field) {
    if (!sources.of(TextSources.Kind.PARQUET).isEmpty()) {
      throw new UserException(
          "%s is Parquet, which is read with Spark alone: run 'sinklora prepare' on it without --token-files"
              .formatted(sources.of(TextSources.Kind.PARQUET).get(0).file()));
    }
    this.storage = sources.storage();
    this.field = field;
    this.files = new ArrayDeque<>(sources.of(TextSources.Kind.TEXT));
    this.jars = new ArrayDeque<>(sources.of(TextSources.Kind.SOURCE_JAR));
    this.linesFiles = new ArrayDeque<>(sources.of(TextSources.Kind.JSON_LINES));
  }

  /** The next text; null at the end. */
  Text next() throws IOException {
    if (!files.isEmpty()) {
      return files.remove().text(storage);
    }
    while (ofJar.isEmpty() && !jars.isEmpty()) {
      ofJar.addAll(jars.remove().sourceFiles(storage));
    }
    return ofJar.isEmpty() ? nextOfLines() : ofJar.remove();
  }

  private Text nextOfLines() throws IOException {
    while (lines != null || openLines()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        Optional<Document> document = JsonLines.document(line, field, lines.where());
        if (document.isPresent()) {
          return Text.of("", document.get());
        }
      }
      close();
    }
    return null;
  }

  private boolean openLines() throws IOException {
    if (linesFiles.isEmpty()) {
      return false;
    }
    String file = linesFiles.remove().file();
    lines = new Utf8Lines(storage.open(file), file);
    return true;
  }

  @Override
  public void close() throws IOException {
    if (lines != null) {
      lines.close();
      lines = null;
    }
  }
}
