package org.sinklora.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Iterator;
import java.util.Map;
import java.util.OptionalInt;

/** What we need to know from a {@code tokenizer.json} beyond what the native library tells. */
final class TokenizerJson {
  private static final ObjectMapper JSON =
      new ObjectMapper().enable(SerializationFeature.ORDER_MAP_ENTRIES_BY_KEYS);

  private final Path file;
  private final byte[] bytes;
  private final ObjectNode root;
  private final Map<String, Integer> ids;
  private final int vocabularySize;

  private TokenizerJson(Path file, byte[] bytes, ObjectNode root) throws IOException {
    this.file = file;
    this.bytes = bytes;
    this.root = root;
    this.ids = readIds();
    this.vocabularySize = ids.values().stream().mapToInt(id -> id + 1).max().orElse(0);
    if (vocabularySize == 0) {
      throw malformed("its model has no vocabulary");
    }
  }

  static TokenizerJson read(Path modelFolder) throws IOException {
    Path file = modelFolder.resolve("tokenizer.json");
    byte[] bytes;
    try {
      bytes = Files.readAllBytes(file);
    } catch (NoSuchFileException e) {
      NoSuchFileException explained =
          new NoSuchFileException(
              file.toString(),
              null,
              "a model folder must hold its tokenizer as tokenizer.json; in Python,"
                  + " AutoTokenizer.from_pretrained(folder).save_pretrained(folder) writes it from"
                  + " a tokenizer.model");
      explained.initCause(e);
      throw explained;
    }
    try {
      if (JSON.readTree(bytes) instanceof ObjectNode root) {
        return new TokenizerJson(file, bytes, root);
      }
    } catch (JsonProcessingException e) {
      throw new IOException(
          file + " is not valid JSON (" + e.getMessage() + "); fetch or save it again", e);
    }
    throw new IOException(file + " is no JSON object; fetch or save it again");
  }

  private Map<String, Integer> readIds() throws IOException {
    Map<String, Integer> result = new HashMap<>();
    JsonNode vocabulary = root.path("model").path("vocab");
    if (vocabulary.isArray()) {
      // Unigram: [piece, score] pairs in the order of their ids.
      for (JsonNode piece : vocabulary) {
        result.put(piece.path(0).asText(), result.size());
      }
    } else {
      for (Map.Entry<String, JsonNode> entry : vocabulary.properties()) {
        result.put(entry.getKey(), id(entry.getKey(), entry.getValue()));
      }
    }
    for (JsonNode token : root.path("added_tokens")) {
      String content = token.path("content").asText();
      result.put(content, id(content, token.path("id")));
    }
    return result;
  }

  private int id(String token, JsonNode value) throws IOException {
    if (!value.isInt() || value.intValue() < 0 || value.intValue() == Integer.MAX_VALUE) {
      throw malformed("token '" + token + "' has the id " + value);
    }
    return value.intValue();
  }

  private IOException malformed(String why) {
    return new IOException(file + " is malformed: " + why + "; fetch or save it again");
  }

  Path file() {
    return file;
  }

  byte[] bytes() {
    return bytes;
  }

  /** The file, changed so that no text becomes BOS or EOS; all other ids stay. */
  byte[] withoutBounds(SpecialTokens special) throws IOException {
    ObjectNode copy = root.deepCopy();
    JsonNode vocabulary = root.path("model").path("vocab");
    for (Iterator<JsonNode> added = copy.path("added_tokens").iterator(); added.hasNext(); ) {
      ObjectNode token = (ObjectNode) added.next();
      int id = token.path("id").intValue();
      if (id != special.bos().orElse(-1) && id != special.eos().orElse(-1)) {
        continue;
      }
      String content = token.path("content").asText();
      boolean isPiece = vocabulary.has(content);
      if (vocabulary.isArray()) {
        for (JsonNode piece : vocabulary) {
          isPiece |= piece.path(0).asText().equals(content);
        }
      }
      if (isPiece) {
        added.remove();
      } else {
        // The library numbers those that the model does not know in their order: one keeps it.
        token.put("content", "\uE000%d\uE001".formatted(id));
      }
    }
    return JSON.writeValueAsBytes(copy);
  }

  /** One more than the largest id. */
  int vocabularySize() {
    return vocabularySize;
  }

  OptionalInt idOf(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /**
   * Hashes the content, not the bytes: the same tokenizer saved with other white space or key order
   * keeps its fingerprint, and so do the truncation and padding settings, which we don't use.
   */
  String fingerprint(SpecialTokens special) {
    ObjectNode relevant = root.deepCopy();
    relevant.remove("truncation");
    relevant.remove("padding");
    MessageDigest digest = Sha256.create();
    try (OutputStream out = new DigestOutputStream(OutputStream.nullOutputStream(), digest)) {
      JSON.writeValue(out, JSON.treeToValue(relevant, Object.class));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    digest.update((special.bos() + " " + special.eos()).getBytes(StandardCharsets.UTF_8));
    return HexFormat.of().formatHex(digest.digest());
  }
}
