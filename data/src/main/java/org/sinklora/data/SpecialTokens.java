package org.sinklora.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * The ids of the special tokens of a model folder.
 *
 * <p>{@code tokenizer_config.json} names a token by its text, as a string or as an object with
 * {@code content}; an explicit {@code null} there says that the model has none. Where it does not
 * mention the token, the id in {@code generation_config.json} or else {@code config.json} counts; a
 * list of ids there stands for its first.
 */
record SpecialTokens(OptionalInt bos, OptionalInt eos, OptionalInt pad) {
  private static final ObjectMapper JSON = new ObjectMapper();

  static SpecialTokens read(Path modelFolder, TokenizerJson vocabulary) throws IOException {
    Settings settings =
        new Settings(
            vocabulary,
            modelFolder.resolve("tokenizer_config.json"),
            modelFolder.resolve("generation_config.json"),
            modelFolder.resolve("config.json"));
    return new SpecialTokens(settings.id("bos"), settings.id("eos"), settings.id("pad"));
  }

  private static final class Settings {
    private final TokenizerJson vocabulary;
    private final Path tokenizerFile;
    private final JsonNode tokenizer;
    private final Path[] idFiles;
    private final JsonNode[] idSettings;

    Settings(TokenizerJson vocabulary, Path tokenizerFile, Path... idFiles) throws IOException {
      this.vocabulary = vocabulary;
      this.tokenizerFile = tokenizerFile;
      this.tokenizer = readIfPresent(tokenizerFile);
      this.idFiles = idFiles;
      this.idSettings = new JsonNode[idFiles.length];
      for (int i = 0; i < idFiles.length; i++) {
        idSettings[i] = readIfPresent(idFiles[i]);
      }
    }

    OptionalInt id(String role) throws IOException {
      JsonNode token = tokenizer.path(role + "_token");
      if (token.isNull()) {
        return OptionalInt.empty();
      }
      if (!token.isMissingNode()) {
        return idOfText(role, token);
      }
      for (int i = 0; i < idSettings.length; i++) {
        JsonNode value = idSettings[i].path(role + "_token_id");
        JsonNode first = value.isArray() ? value.path(0) : value;
        if (!first.isMissingNode() && !first.isNull()) {
          return checkedId(role, idFiles[i], first);
        }
      }
      return OptionalInt.empty();
    }

    private OptionalInt idOfText(String role, JsonNode token) throws IOException {
      JsonNode text = token.isObject() ? token.path("content") : token;
      if (!text.isTextual()) {
        throw new IOException(
            "%s: %s_token is %s, neither a string nor an object with 'content'"
                .formatted(tokenizerFile, role, token));
      }
      OptionalInt id = vocabulary.idOf(text.textValue());
      if (id.isEmpty()) {
        throw new IOException(
            "%s: %s_token '%s' is not in the vocabulary of %s; the two files must come from the same model"
                .formatted(tokenizerFile, role, text.textValue(), vocabulary.file()));
      }
      return id;
    }

    private OptionalInt checkedId(String role, Path file, JsonNode value) throws IOException {
      if (!value.isInt()
          || value.intValue() < 0
          || value.intValue() >= vocabulary.vocabularySize()) {
        throw new IOException(
            "%s: %s_token_id is %s, outside the %,d tokens of %s; the two files must come from the same model"
                .formatted(file, role, value, vocabulary.vocabularySize(), vocabulary.file()));
      }
      return OptionalInt.of(value.intValue());
    }

    private static JsonNode readIfPresent(Path file) throws IOException {
      if (!Files.exists(file)) {
        return JSON.missingNode();
      }
      try {
        return JSON.readTree(Files.readAllBytes(file));
      } catch (JsonProcessingException e) {
        throw new IOException(
            file + " is not valid JSON (" + e.getMessage() + "); fetch or save it again", e);
      }
    }
  }
}
