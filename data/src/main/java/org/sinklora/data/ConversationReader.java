package org.sinklora.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads conversations from a JSON array of objects or from JSON lines, one at a time. What cannot
 * be trained on is an error that names file and line.
 */
public final class ConversationReader implements Closeable {
  /** What an object looks like. */
  public enum Format {
    /** {@code instruction}, {@code input} (may be absent) and {@code output}. */
    ALPACA,
    /**
     * {@code messages}: a list of {@code role} and {@code content}; other fields of a message are
     * for the chat template, and so are {@code tools}, which may stand beside {@code messages}.
     */
    CHAT
  }

  private static final ObjectMapper JSON = new ObjectMapper();

  /** Refuses what comes behind the first value. */
  private static final ObjectReader ONE =
      JSON.reader().with(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);

  /** The fields of a message that are not passed on as they are. */
  private static final Set<String> READ = Set.of("role", "content");

  private final String file;
  private final Format format;
  private final JsonParser parser;
  private int line;

  /**
   * @param in the file's content; closed with the reader
   * @param file what errors call it
   */
  public ConversationReader(InputStream in, String file, Format format) throws IOException {
    this.file = file;
    this.format = format;
    this.parser = JSON.getFactory().createParser(in);
  }

  /**
   * The next conversation; null at the end. It has at least one answer, and no empty one.
   *
   * @throws IOException if it is malformed; the message names the line it begins on
   */
  public Conversation next() throws IOException {
    JsonNode object;
    try {
      JsonToken token = parser.nextToken();
      if (token == JsonToken.START_ARRAY && parser.getParsingContext().getParent().inRoot()) {
        token = parser.nextToken();
      }
      while (token == JsonToken.END_ARRAY) {
        token = parser.nextToken();
      }
      if (token == null) {
        return null;
      }
      line = parser.currentTokenLocation().getLineNr();
      object = parser.readValueAsTree();
    } catch (JsonProcessingException e) {
      int at = e.getLocation() == null ? 0 : e.getLocation().getLineNr();
      throw new IOException(
          "%s, line %d is no JSON: %s; expected objects with %s, one a line or in an array"
              .formatted(file, at, e.getOriginalMessage(), fields(format)),
          e);
    }
    String where = file + ", line " + line;
    if (!object.isObject()) {
      throw new IOException(
          "%s is %s, no JSON object; expected one with %s"
              .formatted(where, object.getNodeType(), fields(format)));
    }
    return conversation(object, format, where);
  }

  /**
   * The conversation of one line of JSON lines, for who reads the lines himself; null if the line
   * is blank. What it must have is what {@link #next} asks for.
   *
   * @param line UTF-8
   * @param length how many of the bytes are the line
   * @param where what errors call the line
   * @throws IOException if it is malformed, or not one whole object
   */
  public static Conversation ofLine(byte[] line, int length, Format format, String where)
      throws IOException {
    JsonNode object;
    try {
      object = ONE.readTree(line, 0, length);
    } catch (JsonProcessingException e) {
      throw new IOException(notOne(where, e.getOriginalMessage(), format), e);
    }
    if (object.isMissingNode()) {
      return null;
    }
    if (!object.isObject()) {
      throw new IOException(notOne(where, "it is " + object.getNodeType(), format));
    }
    return conversation(object, format, where);
  }

  private static String notOne(String where, String why, Format format) {
    return "%s is not one whole JSON object (%s); write each object with %s on a line of its own, or name the file .json, which is not read line by line"
        .formatted(where, why, fields(format));
  }

  private static Conversation conversation(JsonNode object, Format format, String where)
      throws IOException {
    return format == Format.ALPACA ? alpaca(object, where) : chat(object, where);
  }

  /** The line that the last conversation begins on, counted from 1. */
  public int line() {
    return line;
  }

  private static String fields(Format format) {
    return format == Format.ALPACA ? "'instruction', 'input' and 'output'" : "'messages'";
  }

  private static Conversation alpaca(JsonNode object, String where) throws IOException {
    String input =
        object.path("input").isNull() || !object.has("input") ? "" : text(object, "input", where);
    String instruction = text(object, "instruction", where);
    if (instruction.isBlank()) {
      throw new IOException(
          where + " has an empty 'instruction'; fill it in or remove the example");
    }
    String output = text(object, "output", where);
    requireAnswer(output, where + ", 'output'");
    return new Conversation(
        List.of(
            new ChatMessage("user", instruction, input),
            new ChatMessage(ChatMessage.ASSISTANT, output)));
  }

  private static Conversation chat(JsonNode object, String where) throws IOException {
    JsonNode list = object.path("messages");
    if (!list.isArray() || list.isEmpty()) {
      throw new IOException(where + " has no list 'messages' with something in it");
    }
    List<ChatMessage> messages = new ArrayList<>();
    boolean answered = false;
    for (JsonNode message : list) {
      String which = "%s, message %d".formatted(where, messages.size() + 1);
      String role = text(message, "role", which);
      String content = message.path("content").isNull() ? null : text(message, "content", which);
      boolean isAnswer = role.equals(ChatMessage.ASSISTANT);
      answered |= isAnswer;
      if (isAnswer && message.path(ChatMessage.TOOL_CALLS).isEmpty()) {
        requireAnswer(content, which);
      }
      messages.add(new ChatMessage(role, content, "", fields(message)));
    }
    if (!answered) {
      throw new IOException(where + " has no message of the assistant, so nothing to learn from");
    }
    return new Conversation(messages, tools(object, where));
  }

  private static List<Object> tools(JsonNode object, String where) throws IOException {
    JsonNode tools = object.path("tools");
    if (tools.isMissingNode() || tools.isNull()) {
      return List.of();
    }
    if (!tools.isArray()) {
      throw new IOException(
          "%s: 'tools' is %s, no list; write each tool as an object in it"
              .formatted(where, tools.getNodeType()));
    }
    return JSON.convertValue(tools, new TypeReference<List<Object>>() {});
  }

  private static void requireAnswer(String content, String where) throws IOException {
    if (content == null || content.isBlank()) {
      throw new IOException(where + " is an empty answer; fill it in or remove the example");
    }
  }

  /** What a message has beside role and content. */
  private static Map<String, Object> fields(JsonNode message) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : message.properties()) {
      if (!READ.contains(field.getKey())) {
        fields.put(field.getKey(), JSON.convertValue(field.getValue(), Object.class));
      }
    }
    return fields;
  }

  private static String text(JsonNode object, String field, String where) throws IOException {
    JsonNode value = object.path(field);
    if (!value.isTextual()) {
      throw new IOException(
          value.isMissingNode()
              ? "%s has no '%s'".formatted(where, field)
              : "%s: '%s' is %s, no text".formatted(where, field, value.getNodeType()));
    }
    return value.textValue();
  }

  @Override
  public void close() throws IOException {
    parser.close();
  }
}
