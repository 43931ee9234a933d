package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import org.sinklora.data.ChatTemplate;
import org.sinklora.data.ConversationReader.Format;

/**
 * How conversations become documents of which only the answers bear loss.
 *
 * @param format of the files
 * @param template what the chat template was asked for as
 * @param source the template itself
 */
record Supervision(Format format, String template, String source) implements Serializable {
  /** Stands for the template of the model. */
  static final String OF_MODEL = "model";

  private static final String CHOICES = "llama2, alpaca, chatml or a file with a Jinja template";

  /**
   * @param format as on the command line
   * @param template as on the command line; null for the model's own, or alpaca's for its data
   * @return null for plain texts
   * @throws UserException if there is no such format or template
   */
  static Supervision of(String format, String template, ModelSource model, Storage storage)
      throws IOException {
    switch (format) {
      case "text":
        if (template != null) {
          throw new UserException(
              "--chat-template is for conversations; choose --format alpaca or chat");
        }
        return null;
      case "alpaca":
        return find(Format.ALPACA, template, model, storage);
      case "chat":
        return find(Format.CHAT, template, model, storage);
      default:
        throw new UserException("--format is '%s'; choose text, alpaca or chat".formatted(format));
    }
  }

  private static Supervision find(
      Format format, String template, ModelSource model, Storage storage) throws IOException {
    if (template == null || template.equals(OF_MODEL)) {
      String source = ChatTemplate.ofModel(model.folder(storage));
      if (source != null) {
        return new Supervision(format, OF_MODEL, source);
      }
      if (template == null && format == Format.ALPACA) {
        return new Supervision(format, "alpaca", ChatTemplate.named("alpaca"));
      }
      throw new UserException(
          "The model %s has no chat_template; name one with --chat-template: %s"
              .formatted(model.location(), CHOICES));
    }
    String named = ChatTemplate.named(template);
    if (named != null) {
      return new Supervision(format, template, named);
    }
    if (!storage.exists(template) || storage.isFolder(template)) {
      throw new UserException(
          "--chat-template is '%s', which is no file; choose %s".formatted(template, CHOICES));
    }
    return new Supervision(format, template, storage.readText(template));
  }
}
