package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import org.sinklora.data.ChatMessage;
import org.sinklora.data.ChatTemplate;
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
      List<ChatMessage> messages =
          ConversationReader.ofLine(line.getBytes(), line.getLength(), format, lines.where());
      if (messages != null) {
        return ConversationTexts.render(messages, template, lines.where());
      }
    }
    return null;
  }

  @Override
  public void close() throws IOException {
    lines.close();
  }
}
