package org.sinklora.spark;

import java.io.Serializable;
import org.sinklora.data.Document;

/** A document on its way between tasks. */
record Text(String name, String text) implements Serializable {
  static Text of(String source, Document document) {
    return new Text(source + document.name(), document.text());
  }
}
