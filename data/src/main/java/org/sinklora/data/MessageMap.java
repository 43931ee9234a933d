package org.sinklora.data;

import com.hubspot.jinjava.objects.collections.PyMap;
import java.util.Collections;
import java.util.Map;

/** A message as a template sees it, which knows its place in the conversation. */
final class MessageMap extends PyMap {
  private final int index;

  MessageMap(int index, Map<String, Object> fields) {
    super(Collections.unmodifiableMap(fields));
    this.index = index;
  }

  int index() {
    return index;
  }

  @Override
  public boolean equals(Object other) {
    return super.equals(other);
  }

  @Override
  public int hashCode() {
    return super.hashCode();
  }
}
