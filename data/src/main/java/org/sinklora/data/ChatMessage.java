package org.sinklora.data;

import java.util.Map;
import java.util.Objects;

/**
 * One turn of a conversation.
 *
 * @param role who speaks: {@code system}, {@code user}, {@code assistant} or {@code tool}
 * @param content what is said; of Alpaca's examples the instruction
 * @param input what Alpaca's instruction is about; empty if there is none
 */
public record ChatMessage(String role, String content, String input) {
  static final String ASSISTANT = "assistant";

  public ChatMessage {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(content, "content");
    Objects.requireNonNull(input, "input");
  }

  public ChatMessage(String role, String content) {
    this(role, content, "");
  }

  /** Whether a model is to learn to say this. */
  boolean isAnswer() {
    return role.equals(ASSISTANT);
  }

  /** As a chat template sees it; instruction and input are also there one by one. */
  Map<String, Object> variables() {
    String text = input.isEmpty() ? content : content + "\n\n" + input;
    return Map.of("role", role, "content", text, "instruction", content, "input", input);
  }
}
