package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Chat templates, and the labels that follow from them. */
class ChatTemplateTest {
  /** As Llama 3's: slices, filters, a loop variable, white space control. */
  private static final String LIKE_LLAMA3 =
      """
      {% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% endif %}
      {% for message in loop_messages %}
      {% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
      {{ raise_exception('Roles must alternate') }}
      {% endif %}
      {% set content = '<|h|>' + message['role'] + '<|/h|>\\n\\n' + message['content'] | trim + '<|eot|>' %}
      {% if loop.first and system is defined %}{% set content = bos_token + system + content %}{% endif %}
      {{ content }}
      {%- endfor %}
      {% if add_generation_prompt %}{{ '<|h|>assistant<|/h|>\\n\\n' }}{% endif %}""";

  private static Tokenizer tokenizer;

  @BeforeAll
  static void load() throws IOException {
    tokenizer = Tokenizer.load(BundledModel.folder());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private static Conversation twoTurns() {
    return conversation(
        new ChatMessage("system", "Be brief."),
        new ChatMessage("user", "What is 😀 &amp; <b>?"),
        new ChatMessage("assistant", "An emoji 😀.\nYes; a 'face'."),
        new ChatMessage("user", "Sure?"),
        new ChatMessage("assistant", "Sure."));
  }

  private static Conversation conversation(ChatMessage... messages) {
    return new Conversation(List.of(messages));
  }

  private static ChatTemplate template(String source) throws IOException {
    return new ChatTemplate(source, tokenizer);
  }

  @Test
  void theNamedTemplatesSayWhatTheirModelsRead() throws IOException {
    assertEquals(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 😀 &amp; <b>?<|im_end|>\n<|im_start|>assistant\n",
        template(ChatTemplate.named("chatml")).render(twoTurns().first(2), true));
    assertEquals(
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nWhat is 😀 &amp; <b>? [/INST] An emoji 😀.\nYes; a 'face'. </s><s>[INST] Sure? [/INST] Sure. </s>",
        template(ChatTemplate.named("llama2")).render(twoTurns(), false));
    assertEquals(
        "<s>Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.\n\n### Instruction:\nAdd\n\n### Input:\n1 2\n\n### Response:\n3</s>",
        template(ChatTemplate.named("alpaca"))
            .render(
                conversation(
                    new ChatMessage("user", "Add", "1 2"), new ChatMessage("assistant", "3")),
                false));
    assertNull(ChatTemplate.named("nothing"));
    assertNull(ChatTemplate.named("../x"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"llama2", "alpaca", "chatml", "like llama 3"})
  void labelsStandExactlyOnTheAnswers(String name) throws IOException {
    String source = name.equals("like llama 3") ? LIKE_LLAMA3 : ChatTemplate.named(name);
    AnsweredText text = template(source).answered(twoTurns());
    LabelledTokens tokens = text.encode(tokenizer);
    assertEquals(text.text(), tokenizer.decode(tokens.ids()));
    List<String> answers = new ArrayList<>();
    List<Integer> run = new ArrayList<>();
    for (int i = 0; i <= tokens.ids().length; i++) {
      if (i < tokens.ids().length && tokens.labels()[i] != LabelledTokens.IGNORED) {
        assertEquals(tokens.ids()[i], tokens.labels()[i]);
        run.add(tokens.labels()[i]);
      } else if (!run.isEmpty()) {
        answers.add(tokenizer.decode(run.stream().mapToInt(Integer::intValue).toArray()));
        run.clear();
      }
    }
    String end =
        switch (name) {
          case "llama2" -> " </s>";
          case "alpaca" -> "</s>";
          case "chatml" -> "<|im_end|>";
          default -> "<|eot|>";
        };
    String before = name.equals("llama2") ? " " : "";
    assertEquals(
        List.of(before + "An emoji 😀.\nYes; a 'face'." + end, before + "Sure." + end), answers);
    assertEquals(
        tokens.answerTokens(),
        answers.stream().mapToInt(answer -> tokenizer.encode(answer).length).sum());
  }

  /** What would be code in a template is text in a message, whoever says it. */
  @ParameterizedTest
  @ValueSource(strings = {"llama2", "alpaca", "chatml", "like llama 3"})
  void noMessageIsTakenForATemplate(String name) throws IOException {
    String source = name.equals("like llama 3") ? LIKE_LLAMA3 : ChatTemplate.named(name);
    for (String code :
        List.of(
            "{{ 7 * 7 }} gives 49.",
            "{% for x in items %}{{ x }}{% endfor %}",
            "\\frac{{a}}{{b}} {# c #}",
            "{{ raise_exception('boo') }} {{ .Values.name }}")) {
      Conversation conversation =
          conversation(
              new ChatMessage("system", "S " + code),
              new ChatMessage("user", "U " + code),
              new ChatMessage("assistant", "A " + code));
      String text = template(source).answered(conversation).text();
      for (ChatMessage message : conversation.messages()) {
        assertTrue(text.contains(message.content()), text);
      }
    }
  }

  @Test
  void theNamedTemplatesRefuseWhatTheyHaveNoFormFor() throws IOException {
    ChatMessage calling =
        new ChatMessage("assistant", "Hm.", "", Map.of("tool_calls", List.of(Map.of("id", "1"))));
    for (String name : List.of("llama2", "alpaca", "chatml")) {
      String source = ChatTemplate.named(name);
      fails(
          name + " has no form for tools and tool_calls",
          source,
          conversation(twoTurns().messages().get(1), calling));
      Conversation withTools =
          new Conversation(twoTurns().messages(), List.of(Map.of("name", "f")));
      fails(name + " has no form for tools", source, withTools);
    }
    Conversation boss =
        conversation(new ChatMessage("boss", "Go"), new ChatMessage("assistant", "Gone"));
    fails("not 'boss'", ChatTemplate.named("llama2"), boss);
    fails("not 'boss'", ChatTemplate.named("alpaca"), boss);
    assertTrue(template(ChatTemplate.named("chatml")).render(boss, false).contains("boss\nGo"));
  }

  @Test
  void theModelsOwnTemplateIsFound(@TempDir Path folder) throws IOException {
    assertNull(ChatTemplate.ofModel(folder));
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"bos_token\": null}");
    assertNull(ChatTemplate.ofModel(folder));
    Files.writeString(config, "{\"chat_template\": \"one\"}");
    assertEquals("one", ChatTemplate.ofModel(folder));
    Files.writeString(
        config,
        "{\"chat_template\": [{\"name\": \"tool\", \"template\": \"a\"},"
            + " {\"name\": \"default\", \"template\": \"b\"}]}");
    assertEquals("b", ChatTemplate.ofModel(folder));
    Files.writeString(folder.resolve("chat_template.jinja"), "file");
    assertEquals("file", ChatTemplate.ofModel(folder));
  }

  @Test
  void aTemplateThatRefusesSaysWhy() {
    Conversation wrong =
        conversation(new ChatMessage("assistant", "Hi"), new ChatMessage("user", "Hi"));
    fails("Roles must alternate", LIKE_LLAMA3, wrong);
    fails("--chat-template", "{% for x in %}", twoTurns());
    fails("--chat-template", "{{ messages[0]['content'] | no_such_filter }}", twoTurns());
  }

  @Test
  void aTemplateThatRewritesEarlierTurnsIsRefused() {
    String onlyLast =
        "{% for m in messages %}{% if loop.last or m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}";
    fails("answer 3 once it is given", onlyLast, twoTurns());
  }

  private static void fails(String said, String source, Conversation conversation) {
    IOException e = assertThrows(IOException.class, () -> template(source).answered(conversation));
    assertTrue(e.getMessage().contains(said), e.getMessage());
  }
}
