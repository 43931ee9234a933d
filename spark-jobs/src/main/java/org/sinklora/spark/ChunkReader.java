package org.sinklora.spark;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.sinklora.data.ChatTemplate;

/**
 * Reads the texts of a chunk one by one, in the same order each time. An application's task reads
 * with it, and no more of the chunk at once than a text, or a jar.
 */
interface ChunkReader extends Closeable {
  /** The next text; null at the end. */
  Text next() throws IOException;

  /**
   * @param field of JSON lines and Parquet that holds the text
   */
  static ChunkReader open(TextChunk chunk, String field, PreparationSettings settings)
      throws IOException {
    return switch (chunk.kind()) {
      case JSON_LINES -> new JsonLinesReader(chunk, field);
      case PARQUET -> new ParquetTextReader(chunk, field);
      case TEXT -> texts(chunk);
      case SOURCE_JAR -> of(sourceFiles(chunk).iterator());
      case CONVERSATIONS -> conversations(chunk, settings);
    };
  }

  private static ChunkReader conversations(TextChunk chunk, PreparationSettings settings)
      throws IOException {
    Supervision supervision = settings.supervision();
    ChatTemplate template =
        new ChatTemplate(supervision.source(), ExecutorTokenizers.of(settings.model()));
    if (chunk.isRange()) {
      return new ConversationLines(chunk, supervision.format(), template);
    }
    String file = chunk.source().file();
    return new ConversationTexts(
        SparkSessions.taskStorage().open(file), file, supervision.format(), template);
  }

  private static List<Text> sourceFiles(TextChunk chunk) throws IOException {
    return new ArrayList<>(chunk.source().sourceFiles(SparkSessions.taskStorage()));
  }

  private static ChunkReader texts(TextChunk chunk) {
    Deque<TextSources.Source> files = new ArrayDeque<>(chunk.sources());
    return new ChunkReader() {
      @Override
      public Text next() throws IOException {
        return files.isEmpty() ? null : files.removeFirst().text(SparkSessions.taskStorage());
      }

      @Override
      public void close() {}
    };
  }

  private static ChunkReader of(Iterator<Text> texts) {
    return new ChunkReader() {
      @Override
      public Text next() {
        return texts.hasNext() ? texts.next() : null;
      }

      @Override
      public void close() {}
    };
  }
}
