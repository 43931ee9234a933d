package org.sinklora.data;

import java.util.List;
import java.util.Objects;

/**
 * What a chat template writes out.
 *
 * @param messages in their order
 * @param tools what the model may call, as JSON schemas for the template; empty if there are none
 */
public record Conversation(List<ChatMessage> messages, List<Object> tools) {
  public Conversation {
    Objects.requireNonNull(messages, "messages");
    Objects.requireNonNull(tools, "tools");
  }

  public Conversation(List<ChatMessage> messages) {
    this(messages, List.of());
  }

  /** Its beginning. */
  Conversation first(int count) {
    return new Conversation(messages.subList(0, count), tools);
  }
}
