package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.data.Document;

/**
 * A document on its way between tasks.
 *
 * @param answers of a conversation: begin and end of each, in code points; null for plain text
 */
record Text(String name, String text, int[] answers) implements Serializable {
  Text(String name, String text) {
    this(name, text, null);
  }

  static Text of(String source, Document document) {
    return new Text(source + document.name(), document.text());
  }
}
