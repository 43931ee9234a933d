package org.sinklora.data;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;

/**
 * One turn of a conversation.
 *
 * @param role who speaks: {@code system}, {@code user}, {@code assistant}, {@code tool}, or what
 *     else the chat template knows
 * @param content what is said; of Alpaca's examples the instruction; null where the message says
 *     nothing but, say, calls tools
 * @param input what Alpaca's instruction is about; empty if there is none
 * @param fields what else the message has, such as {@code tool_calls}, {@code tool_call_id} or
 *     {@code name}: lists, maps, strings, numbers, booleans and null
 */
public record ChatMessage(String role, String content, String input, Map<String, Object> fields) {
  static final String ASSISTANT = "assistant";

  /** The field of an answer that calls tools. */
  static final String TOOL_CALLS = "tool_calls";

  public ChatMessage {
    Objects.requireNonNull(role, "role");
    Objects.requireNonNull(input, "input");
    fields = Collections.unmodifiableMap(new LinkedHashMap<>(fields));
  }

  public ChatMessage(String role, String content, String input) {
    this(role, content, input, Map.of());
  }

  public ChatMessage(String role, String content) {
    this(role, content, "");
  }

  /** Whether a model is to learn to say this. */
  boolean isAnswer() {
    return role.equals(ASSISTANT);
  }

  /** As a chat template sees it; of Alpaca's, instruction and input are also there one by one. */
  Map<String, Object> variables() {
    Map<String, Object> variables = new LinkedHashMap<>();
    variables.put("role", role);
    if (input.isEmpty()) {
      variables.put("content", content);
    } else {
      variables.put("content", content + "\n\n" + input);
      variables.put("instruction", content);
      variables.put("input", input);
    }
    variables.putAll(fields);
    variables.replaceAll((name, value) -> value == null ? NoneField.NONE : value);
    return variables;
  }
}
