package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.data.ConversationReader.Format;

/**
 * Templates in the manner of the model families, against what Python's Jinja makes of them ({@code
 * chat/expected.py}).
 */
class ChatTemplatePythonTest {
  private static Tokenizer tokenizer;
  private static JsonNode conversations;
  private static JsonNode expected;

  @BeforeAll
  static void load() throws IOException {
    tokenizer = Tokenizer.load(BundledModel.folder());
    conversations = new ObjectMapper().readTree(resource("conversations.json"));
    expected = new ObjectMapper().readTree(resource("expected.json"));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private static byte[] resource(String name) throws IOException {
    try (var in = ChatTemplatePythonTest.class.getResourceAsStream("chat/" + name)) {
      return in.readAllBytes();
    }
  }

  private static ChatTemplate template(String name) throws IOException {
    String source = new String(resource(name + ".jinja"), StandardCharsets.UTF_8);
    return new ChatTemplate(source, tokenizer);
  }

  private static Conversation conversation(String name) throws IOException {
    JsonNode given = conversations.get(name);
    String object = given.isArray() ? "{\"messages\": " + given + "}" : given.toString();
    byte[] line = object.getBytes(StandardCharsets.UTF_8);
    return ConversationReader.ofLine(line, line.length, Format.CHAT, name);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "tools",
        "thoughts",
        "headers",
        "instructions",
        "closing",
        "lines",
        "roles",
        "generation"
      })
  void rendersAsPython(String name) throws IOException {
    ChatTemplate template = template(name);
    for (Map.Entry<String, JsonNode> texts : expected.get(name).properties()) {
      Conversation chat = conversation(texts.getKey());
      for (boolean asked : new boolean[] {false, true}) {
        JsonNode text = texts.getValue().get(asked ? "asked" : "told");
        if (text.isNull()) {
          assertThrows(IOException.class, () -> template.render(chat, asked), texts.getKey());
        } else {
          assertEquals(text.textValue(), template.render(chat, asked), texts.getKey());
        }
      }
    }
  }

  private static List<String> answers(ChatTemplate template, Conversation conversation)
      throws IOException {
    AnsweredText text = template.answered(conversation);
    assertEquals(template.render(conversation, false), text.text());
    int[] points = text.text().codePoints().toArray();
    List<String> answers = new ArrayList<>();
    for (int i = 0; i < text.answers().length; i += 2) {
      int start = text.answers()[i];
      answers.add(new String(points, start, text.answers()[i + 1] - start));
    }
    return answers;
  }

  /** What stands before and behind the content of an answer, and behind the last one. */
  @ParameterizedTest
  @CsvSource(
      quoteCharacter = '"',
      ignoreLeadingAndTrailingWhitespace = false,
      value = {
        "tools,,<|end|>,",
        "headers,,<|eot|>,",
        "instructions, ,</s>,",
        "closing,,<|end|>,\"\n</s>\"",
        "lines,,</s>,",
        "roles,,</turn>,",
        "generation,,</s>,"
      })
  void theAnswersAloneBearLoss(String name, String before, String behind, String atEnd)
      throws IOException {
    for (String conversation : List.of("turns", "system", "code", "letters")) {
      if (expected.get(name).get(conversation).get("told").isNull()) {
        continue;
      }
      Conversation chat = conversation(conversation);
      List<String> contents = new ArrayList<>();
      for (ChatMessage message : chat.messages()) {
        if (message.isAnswer()) {
          contents.add((before == null ? "" : before) + message.content() + behind);
        }
      }
      int last = contents.size() - 1;
      contents.set(last, contents.get(last) + (atEnd == null ? "" : atEnd));
      assertEquals(contents, answers(template(name), chat), conversation);
    }
  }

  @Test
  void thoughtsAndCallsAreLearntAsTheyAreTold() throws IOException {
    assertEquals(
        List.of("one<|end|>", "<think>\nsecond\n</think>\n\ntwo<|end|>"),
        answers(template("thoughts"), conversation("thoughts")));
    assertEquals(
        List.of(
            "<call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln <&>\", \"days\": 3, \"exact\": true, \"share\": 1.5}}\n</call><|end|>",
            "3 degrees.<|end|>",
            "Good.<|end|>"),
        answers(template("tools"), conversation("call")));
    assertEquals(
        "Let me look.\n<call>\n{\"name\": \"weather\", \"arguments\": \"{\\\"city\\\": \\\"Bonn\\\"}\"}\n</call><|end|>",
        answers(template("tools"), conversation("call with text")).get(0));
  }

  /** Where the conversation up to each answer is the beginning of the whole. */
  @Test
  void anAnswerIsWhatFollowsItsPrompt() throws IOException {
    int compared = 0;
    for (String name : List.of("tools", "headers", "instructions", "lines", "roles", "thoughts")) {
      ChatTemplate template = template(name);
      for (Map.Entry<String, JsonNode> texts : expected.get(name).properties()) {
        if (texts.getValue().get("told").isNull()) {
          continue;
        }
        Conversation chat = conversation(texts.getKey());
        List<String> byPrompt = byPrompt(template, chat);
        if (byPrompt != null) {
          assertEquals(byPrompt, answers(template, chat), name + " " + texts.getKey());
          compared++;
        }
      }
    }
    assertTrue(compared > 30, "compared " + compared);
  }

  private static List<String> byPrompt(ChatTemplate template, Conversation conversation)
      throws IOException {
    String whole = template.render(conversation, false);
    List<String> answers = new ArrayList<>();
    for (int i = 0; i < conversation.messages().size(); i++) {
      if (conversation.messages().get(i).isAnswer()) {
        String prompt = template.render(conversation.first(i), true);
        String told = template.render(conversation.first(i + 1), false).stripTrailing();
        if (!told.startsWith(prompt) || !whole.startsWith(told)) {
          return null;
        }
        answers.add(told.substring(prompt.length()));
      }
    }
    return answers;
  }

  @Test
  void whatCanNotBeRenderedAsPythonDoesIsNamed() {
    fails("a slice with a step other than [::-1]", "{{ messages[::2] | length }}");
    fails("{% for … if … %}", "{% for m in messages if m.role == 'user' %}x{% endfor %}");
    fails("{% for … %} with {% else %}", "{% for m in messages %}x{% else %}y{% endfor %}");
    fails("its line 3: Cannot find method", "{#- a\n -#}\n{{ messages.nothing() }}");
    fails("a text has no method nothing", "{{ 'a'.nothing() }}");
    fails("marks no answer", "{% generation %}{% endgeneration %}{{ messages[1].content }}");
    fails("without its '%}'", "{% if x }");
    fails("a message that is null", "{{ 'a' + messages[2].content }}");
    assertNull(MarkedText.of(MarkedText.LOOP));
  }

  private static void fails(String said, String source) {
    List<ChatMessage> messages =
        List.of(
            new ChatMessage("user", "Hi"),
            new ChatMessage("assistant", "Hello"),
            new ChatMessage("assistant", null));
    IOException e =
        assertThrows(
            IOException.class,
            () -> new ChatTemplate(source, tokenizer).answered(new Conversation(messages)));
    assertTrue(e.getMessage().contains(said), e.getMessage());
    assertTrue(e.getMessage().contains("--chat-template"), e.getMessage());
  }

  @Test
  void aLongChatTakesALinearTime() throws IOException {
    List<ChatMessage> messages = new ArrayList<>();
    for (int i = 0; i < 4000; i++) {
      messages.add(new ChatMessage(i % 2 == 0 ? "user" : "assistant", "word " + i));
    }
    CountedMessages counted = new CountedMessages(messages);
    List<String> answers = answers(template("tools"), new Conversation(counted));
    assertEquals(2000, answers.size());
    assertEquals("word 3999<|end|>", answers.get(1999));
    assertTrue(counted.read < 20 * messages.size(), "messages read: " + counted.read);
  }

  /** Counts how often a message is taken out. */
  private static final class CountedMessages extends java.util.AbstractList<ChatMessage> {
    private final List<ChatMessage> messages;
    private int read;

    CountedMessages(List<ChatMessage> messages) {
      this.messages = messages;
    }

    @Override
    public ChatMessage get(int index) {
      read++;
      return messages.get(index);
    }

    @Override
    public int size() {
      return messages.size();
    }
  }
}
