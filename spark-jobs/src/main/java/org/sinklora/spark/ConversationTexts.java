package org.sinklora.spark;

import java.io.IOException;
import java.io.InputStream;
import org.sinklora.data.AnsweredText;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.Conversation;
import org.sinklora.data.ConversationReader;
import org.sinklora.data.Document;

/** The conversations of one file, rendered one by one. */
final class ConversationTexts implements ChunkReader {
  private final ConversationReader reader;
  private final ChatTemplate template;
  private final String file;

  /**
   * @param in the file's content; closed with the reader
   * @param file what errors call it
   */
  ConversationTexts(
      InputStream in, String file, ConversationReader.Format format, ChatTemplate template)
      throws IOException {
    this.reader = new ConversationReader(in, file, format);
    this.template = template;
    this.file = file;
  }

  @Override
  public Text next() throws IOException {
    Conversation conversation = reader.next();
    return conversation == null
        ? null
        : render(conversation, template, "%s, line %d".formatted(file, reader.line()));
  }

  /**
   * A conversation as a document, named by a hash of its text.
   *
   * @param where what errors call its place
   */
  static Text render(Conversation conversation, ChatTemplate template, String where)
      throws IOException {
    try {
      AnsweredText rendered = template.answered(conversation);
      String name = Document.ofContent(rendered.text()).name();
      return new Text(name, rendered.text(), rendered.answers());
    } catch (IOException e) {
      // Without the cause, which knows less and would be reported in its place.
      throw new IOException("%s: %s".formatted(where, e.getMessage()));
    }
  }

  @Override
  public void close() throws IOException {
    reader.close();
  }
}
