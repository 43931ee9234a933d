package org.sinklora.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A chat template, Jinja as in Hugging Face's {@code tokenizer_config.json}: it sees {@code
 * messages}, {@code add_generation_prompt}, {@code bos_token} and {@code eos_token}, and may call
 * {@code raise_exception}. Safe for use by several threads.
 */
public final class ChatTemplate {
  private static final Pattern CODE = Pattern.compile("\\{[{%].*?[%}]\\}", Pattern.DOTALL);
  private static final Pattern STRING =
      Pattern.compile("'(?:[^'\\\\]|\\\\.)*'|\"(?:[^\"\\\\]|\\\\.)*\"", Pattern.DOTALL);
  private static final Pattern FILTER = Pattern.compile("\\|\\s*([A-Za-z_]\\w*)");

  private final String source;
  private final String bosToken;
  private final String eosToken;
  private final Jinjava jinja;

  /**
   * @param source the template itself
   * @param tokenizer whose BOS and EOS it names
   * @throws IOException if it uses a filter that there is not
   */
  public ChatTemplate(String source, Tokenizer tokenizer) throws IOException {
    this.source = source;
    this.bosToken = spelled(tokenizer, tokenizer.bosId().orElse(-1));
    this.eosToken = spelled(tokenizer, tokenizer.eosId().orElse(-1));
    // As transformers sets Jinja up.
    this.jinja =
        new Jinjava(
            JinjavaConfig.newBuilder()
                .withTrimBlocks(true)
                .withLstripBlocks(true)
                .withMaxOutputSize(1L << 30)
                .withMaxStringLength(1L << 30)
                .build());
    jinja
        .getGlobalContext()
        .registerFunction(
            new ELFunctionDefinition(
                "", "raise_exception", ChatTemplate.class, "raise", String.class));
    checkFilters();
  }

  /** The library takes an unknown filter for one that returns nothing, without a word. */
  private void checkFilters() throws IOException {
    for (MatchResult code : CODE.matcher(source).results().toList()) {
      Matcher filters = FILTER.matcher(STRING.matcher(code.group()).replaceAll("''"));
      while (filters.find()) {
        if (jinja.getGlobalContext().getFilter(filters.group(1)) == null) {
          throw new IOException(
              "The chat template uses the filter '%s', which is not supported; choose another with --chat-template"
                  .formatted(filters.group(1)));
        }
      }
    }
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
  public String render(List<ChatMessage> messages, boolean addGenerationPrompt) throws IOException {
    Map<String, Object> variables = new HashMap<>();
    variables.put("messages", messages.stream().map(ChatMessage::variables).toList());
    variables.put("add_generation_prompt", addGenerationPrompt);
    variables.put("bos_token", bosToken);
    variables.put("eos_token", eosToken);
    RenderResult result = jinja.renderForResult(source, variables);
    for (TemplateError error : result.getErrors()) {
      if (error.getSeverity() == TemplateError.ErrorType.FATAL) {
        throw new IOException(
            "The chat template fails in its line %d: %s; choose another with --chat-template"
                .formatted(error.getLineno(), cause(error)));
      }
    }
    return result.getOutput();
  }

  /** What the template itself said, if it did: the library wraps it. */
  private static String cause(TemplateError error) {
    for (Throwable e = error.getException(); e != null; e = e.getCause()) {
      if (e instanceof IllegalArgumentException && e.getCause() == null) {
        return e.getMessage();
      }
    }
    return error.getMessage();
  }

  /**
   * The whole conversation and its answers. An answer begins where the prompt for it ends and goes
   * up to the white space before the next turn, so that the token that ends a turn belongs to it.
   *
   * @throws IOException as {@link #render}, or if the template tells an answer differently once
   *     more follows, so that there is no one place of it
   */
  public AnsweredText answered(List<ChatMessage> messages) throws IOException {
    String whole = render(messages, false);
    List<Integer> bounds = new ArrayList<>();
    for (int i = 0; i < messages.size(); i++) {
      if (!messages.get(i).isAnswer()) {
        continue;
      }
      String prompt = render(messages.subList(0, i), true);
      String answered = render(messages.subList(0, i + 1), false).stripTrailing();
      if (!answered.startsWith(prompt) || !whole.startsWith(answered)) {
        throw new IOException(
            "The chat template changes what stands before answer %d once it is given, so that the answer can't be told from the prompt; choose another with --chat-template: llama2, alpaca, chatml or a file"
                .formatted(i + 1));
      }
      bounds.add(whole.codePointCount(0, prompt.length()));
      bounds.add(whole.codePointCount(0, answered.length()));
    }
    return new AnsweredText(whole, bounds.stream().mapToInt(Integer::intValue).toArray());
  }
}
