package org.sinklora.data;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
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

  /** A document whose name is a hash of its text, for sources that give no name. */
  public static Document ofContent(String text) {
    byte[] hash = Sha256.create().digest(text.getBytes(StandardCharsets.UTF_8));
    return new Document(HexFormat.of().formatHex(hash, 0, 16), text);
  }

  /** Length of the text in characters, that is Unicode code points. */
  public int characters() {
    return text.codePointCount(0, text.length());
  }
}
