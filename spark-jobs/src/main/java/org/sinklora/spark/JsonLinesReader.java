package org.sinklora.spark;

import java.io.IOException;
import java.util.Optional;
import org.sinklora.data.Document;
import org.sinklora.data.JsonLines;

/** The documents of the JSON lines that begin in a range of a file. */
final class JsonLinesReader implements ChunkReader {
  private final String field;
  private final RangeLines lines;

  JsonLinesReader(TextChunk chunk, String field) throws IOException {
    this.field = field;
    this.lines = new RangeLines(chunk);
  }

  @Override
  public Text next() throws IOException {
    for (var line = lines.next(); line != null; line = lines.next()) {
      Optional<Document> document =
          JsonLines.document(line.getBytes(), line.getLength(), field, lines.where() + ",");
      if (document.isPresent()) {
        return Text.of("", document.get());
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
