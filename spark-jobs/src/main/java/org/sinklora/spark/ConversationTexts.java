package org.sinklora.spark;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import org.sinklora.data.AnsweredText;
import org.sinklora.data.ChatMessage;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.ConversationReader;
import org.sinklora.data.Document;

/** The conversations of one file, rendered one by one; the file is closed at its end. */
final class ConversationTexts implements Iterator<Text> {
  private final ConversationReader reader;
  private final ChatTemplate template;
  private final String file;
  private List<ChatMessage> next;

  /**
   * @param in the file's content
   * @param file what errors call it
   */
  ConversationTexts(
      InputStream in, String file, ConversationReader.Format format, ChatTemplate template)
      throws IOException {
    this.reader = new ConversationReader(in, file, format);
    this.template = template;
    this.file = file;
    advance();
  }

  private void advance() {
    try {
      next = reader.next();
      if (next == null) {
        reader.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e.getMessage(), e);
    }
  }

  @Override
  public boolean hasNext() {
    return next != null;
  }

  @Override
  public Text next() {
    if (next == null) {
      throw new NoSuchElementException();
    }
    int line = reader.line();
    try {
      AnsweredText rendered = template.answered(next);
      advance();
      String name = Document.ofContent(rendered.text()).name();
      return new Text(name, rendered.text(), rendered.answers());
    } catch (IOException e) {
      // Without the cause, which knows less and would be reported in its place.
      throw new UncheckedIOException(
          new IOException("%s, line %d: %s".formatted(file, line, e.getMessage())));
    }
  }
}
