package org.sinklora.data;

import java.util.Objects;

/**
 * One text that stands for itself.
 *
 * @param name where the text came from, unique within its source; segments separated by {@code /}
 * @param text the whole text
 */
public record Document(String name, String text) {
  public Document {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(text, "text");
  }

  /** Length of the text in characters, that is Unicode code points. */
  public int characters() {
    return text.codePointCount(0, text.length());
  }
}
