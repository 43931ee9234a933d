package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.Conversation;
import org.sinklora.data.ConversationReader;

/** The conversations of the JSON lines that begin in a range of a file, rendered one by one. */
final class ConversationLines implements ChunkReader {
  private final ConversationReader.Format format;
  private final ChatTemplate template;
  private final RangeLines lines;

  ConversationLines(TextChunk chunk, ConversationReader.Format format, ChatTemplate template)
      throws IOException {
    this.format = format;
    this.template = template;
    this.lines = new RangeLines(chunk);
  }

  @Override
  public Text next() throws IOException {
    for (var line = lines.next(); line != null; line = lines.next()) {
      Conversation conversation =
          ConversationReader.ofLine(line.getBytes(), line.getLength(), format, lines.where());
      if (conversation != null) {
        return ConversationTexts.render(conversation, template, lines.where());
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
