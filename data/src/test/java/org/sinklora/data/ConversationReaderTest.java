package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.sinklora.data.ConversationReader.Format;

/** Instruction data: both forms of a file, and what is refused with its line. */
class ConversationReaderTest {
  private static List<Conversation> read(Format format, String content) throws IOException {
    List<Conversation> found = new ArrayList<>();
    byte[] bytes = content.getBytes(StandardCharsets.UTF_8);
    try (ConversationReader reader =
        new ConversationReader(new ByteArrayInputStream(bytes), "f.json", format)) {
      for (Conversation next = reader.next(); next != null; next = reader.next()) {
        found.add(next);
      }
    }
    return found;
  }

  @Test
  void anArrayAndLinesAreTheSame() throws IOException {
    String first = "{\"instruction\": \"Add\", \"input\": \"1 2\", \"output\": \"3\"}";
    String second = "{\"instruction\": \"Go\", \"input\": null, \"output\": \"Gone\", \"x\": 1}";
    List<Conversation> expected =
        List.of(
            new Conversation(
                List.of(new ChatMessage("user", "Add", "1 2"), new ChatMessage("assistant", "3"))),
            new Conversation(
                List.of(new ChatMessage("user", "Go"), new ChatMessage("assistant", "Gone"))));
    assertEquals(expected, read(Format.ALPACA, first + "\n\n" + second + "\n"));
    assertEquals(expected, read(Format.ALPACA, "[\n" + first + ",\n" + second + "\n]\n"));
    assertEquals(List.of(), read(Format.ALPACA, "[]"));
    assertEquals(List.of(), read(Format.ALPACA, "\n"));
  }

  @Test
  void whatElseAMessageHasIsForTheTemplate() throws IOException {
    String messages =
        "{\"messages\": [{\"role\": \"developer\", \"content\": \"x\", \"name\": \"d\"},"
            + " {\"role\": \"assistant\", \"content\": null, \"tool_calls\": [{\"id\": \"1\", \"n\": 2}]},"
            + " {\"role\": \"tool\", \"content\": \"3\", \"tool_call_id\": \"1\", \"note\": null}],"
            + " \"tools\": [{\"name\": \"f\"}]}";
    Map<String, Object> note = new HashMap<>(Map.of("tool_call_id", "1"));
    note.put("note", null);
    assertEquals(
        List.of(
            new Conversation(
                List.of(
                    new ChatMessage("developer", "x", "", Map.of("name", "d")),
                    new ChatMessage(
                        "assistant",
                        null,
                        "",
                        Map.of("tool_calls", List.of(Map.of("id", "1", "n", 2)))),
                    new ChatMessage("tool", "3", "", note)),
                List.of(Map.of("name", "f")))),
        read(Format.CHAT, messages));
  }

  @Test
  void whatCannotBeTrainedOnIsNamedWithItsLine() {
    String good = "{\"messages\": [{\"role\": \"assistant\", \"content\": \"Hi\"}]}\n";
    chatFails(good + "{\"messages\": [{\"content\": \"Hi\"}]}", "line 2, message 1 has no 'role'");
    chatFails(
        good
            + good
            + "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"},"
            + "{\"role\": \"assistant\", \"content\": \" \"}]}",
        "line 3, message 2 is an empty answer");
    chatFails(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}]}", "line 1 has no message");
    chatFails(
        "{\"messages\": [{\"role\": \"assistant\", \"content\": null, \"tool_calls\": []}]}",
        "line 1, message 1 is an empty answer");
    chatFails("{\"messages\": [{\"role\": \"user\", \"content\": 5}]}", "'content' is NUMBER");
    chatFails("{\"messages\": [3]}", "line 1, message 1 has no 'role'");
    chatFails(good.replace("]}", "], \"tools\": \"f\"}"), "line 1: 'tools' is STRING, no list");
    chatFails("{\"messages\": []}", "line 1 has no list 'messages'");
    chatFails("{\"text\": \"Hi\"}", "line 1 has no list 'messages'");
    chatFails(good + "\n{\"messages\": [", "line 3 is no JSON");
    chatFails(good + "nonsense", "line 2 is no JSON");
    chatFails("[1]", "no JSON object");
    fails(Format.ALPACA, "[{\"instruction\": \"Go\"}]", "line 1 has no 'output'");
    fails(
        Format.ALPACA,
        "[\n{\"instruction\": \"Go\", \"output\": \"\"}]",
        "line 2, 'output' is an empty answer");
    fails(Format.ALPACA, "{\"instruction\": \"\", \"output\": \"x\"}", "empty 'instruction'");
  }

  private static void chatFails(String content, String said) {
    fails(Format.CHAT, content, said);
  }

  private static void fails(Format format, String content, String said) {
    IOException e = assertThrows(IOException.class, () -> read(format, content));
    assertTrue(
        e.getMessage().startsWith("f.json, ") && e.getMessage().contains(said), e.getMessage());
  }
}
