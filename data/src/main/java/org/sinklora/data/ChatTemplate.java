package org.sinklora.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * A chat template, Jinja as in Hugging Face's {@code tokenizer_config.json}: it sees {@code
 * messages} with all their fields, {@code tools} if there are some, {@code add_generation_prompt},
 * {@code bos_token} and {@code eos_token}, and may call {@code raise_exception}. Safe for use by
 * several threads.
 */
public final class ChatTemplate {
  private final JinjaTemplate template;
  private final String bosToken;
  private final String eosToken;

  /**
   * @param source the template itself
   * @param tokenizer whose BOS and EOS it names
   * @throws IOException if it uses a filter or a construct that there is not
   */
  public ChatTemplate(String source, Tokenizer tokenizer) throws IOException {
    this.template = new JinjaTemplate(source);
    this.bosToken = spelled(tokenizer, tokenizer.bosId().orElse(-1));
    this.eosToken = spelled(tokenizer, tokenizer.eosId().orElse(-1));
  }

  private static String spelled(Tokenizer tokenizer, int id) {
    return id < 0 ? "" : tokenizer.decode(new int[] {id});
  }

  /** What a template calls to refuse a conversation; Jinjava finds it by reflection. */
  public static String raise(String message) {
    throw new IllegalArgumentException(message);
  }

  /**
   * A template that comes with the library: {@code llama2}, {@code alpaca} or {@code chatml}.
   *
   * @return its source; null if there is none of that name
   */
  public static String named(String name) throws IOException {
    if (!name.matches("[a-z0-9]+")) {
      return null;
    }
    try (var in = ChatTemplate.class.getResourceAsStream("templates/" + name + ".jinja")) {
      return in == null ? null : new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /**
   * The template of a model folder: {@code chat_template.jinja}, or else {@code chat_template} in
   * {@code tokenizer_config.json}; of several the one named {@code default}.
   *
   * @return its source; null if the model has none
   * @throws IOException if a file can't be read
   */
  public static String ofModel(Path modelFolder) throws IOException {
    Path file = modelFolder.resolve("chat_template.jinja");
    if (Files.exists(file)) {
      return Files.readString(file);
    }
    Path config = modelFolder.resolve("tokenizer_config.json");
    if (!Files.exists(config)) {
      return null;
    }
    JsonNode template = new ObjectMapper().readTree(config.toFile()).path("chat_template");
    for (JsonNode named : template) {
      if (named.path("name").asText().equals("default")) {
        template = named.path("template");
        break;
      }
    }
    return template.isTextual() ? template.textValue() : null;
  }

  /**
   * The text of a conversation.
   *
   * @param addGenerationPrompt whether what introduces an answer stands at the end
   * @throws IOException if the template is malformed, or refuses the conversation
   */
  public String render(Conversation conversation, boolean addGenerationPrompt) throws IOException {
    return template.render(variables(conversation, addGenerationPrompt));
  }

  /** As {@link #render}, with marks; null if they didn't come through. */
  MarkedText renderMarked(Conversation conversation, boolean addGenerationPrompt)
      throws IOException {
    return template.renderMarked(variables(conversation, addGenerationPrompt));
  }

  private Map<String, Object> variables(Conversation conversation, boolean addGenerationPrompt) {
    List<MessageMap> maps = new ArrayList<>();
    for (ChatMessage message : conversation.messages()) {
      maps.add(new MessageMap(maps.size(), message.variables()));
    }
    Map<String, Object> variables = new HashMap<>();
    variables.put("messages", maps);
    variables.put("add_generation_prompt", addGenerationPrompt);
    variables.put("bos_token", bosToken);
    variables.put("eos_token", eosToken);
    if (!conversation.tools().isEmpty()) {
      variables.put("tools", conversation.tools());
    }
    return variables;
  }

  /**
   * The whole conversation and its answers. If the template marks what a model generates ({@code {%
   * generation %}}), that is an answer. Otherwise one begins where the prompt for it ends and goes
   * up to the white space before the next turn, so that the token that ends a turn belongs to it.
   *
   * @throws IOException as {@link #render}, or if the template tells an answer in such a way that
   *     there is no one place of it
   */
  public AnsweredText answered(Conversation conversation) throws IOException {
    return new AnswerPlaces(this, conversation, template.marksAnswers()).find();
  }
}
