package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Model folders as they are found in the world: whole, partial, damaged. */
class TokenizerFolderTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  @BeforeEach
  void copyTokenizer() throws IOException {
    Files.copy(BundledModel.folder().resolve("tokenizer.json"), folder.resolve("tokenizer.json"));
  }

  private void write(String file, String content) throws IOException {
    Files.writeString(folder.resolve(file), content);
  }

  private Tokenizer load() throws IOException {
    return Tokenizer.load(folder);
  }

  private String loadError() {
    return assertThrows(IOException.class, this::load).getMessage();
  }

  /**
   * As Llama 3's and Qwen's, which are not in the model's vocabulary and have others behind them.
   */
  @Test
  void boundsThatTheModelDoesNotKnowKeepTheIdsOfOthers() throws IOException {
    Path file = folder.resolve("tokenizer.json");
    ObjectNode json = (ObjectNode) JSON.readTree(file.toFile());
    for (String token : List.of("<|begin|>", "<|end|>", "<|call|>")) {
      json.withArray("added_tokens")
          .addObject()
          .put("id", 2048 + json.path("added_tokens").size() - 5)
          .put("content", token)
          .put("special", true)
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", false);
    }
    Files.writeString(file, json.toString());
    write("tokenizer_config.json", "{\"bos_token\": \"<|begin|>\", \"eos_token\": \"<|end|>\"}");
    String text = "x<|begin|>y<|call|>z<|end|>";
    try (Tokenizer tokenizer = load()) {
      assertArrayEquals(new int[] {2048, 2050, 2049}, tokenizer.encode("<|begin|><|call|><|end|>"));
      int[] content = tokenizer.encodeContent(text);
      assertEquals(text, tokenizer.decode(content));
      assertEquals(List.of(2050), IntStream.of(content).filter(id -> id >= 2048).boxed().toList());
    }
  }

  @Test
  void tokensAreNamedByStringOrObject() throws IOException {
    write(
        "tokenizer_config.json",
        """
        {"bos_token": {"content": "</s>", "special": true}, "eos_token": "<pad>"}""");
    write("config.json", "{\"bos_token_id\": 7}");
    try (Tokenizer tokenizer = load()) {
      assertEquals(OptionalInt.of(2), tokenizer.bosId());
      assertEquals(OptionalInt.of(3), tokenizer.eosId());
      assertEquals(OptionalInt.empty(), tokenizer.padId());
    }
  }

  @Test
  void generationConfigComesBeforeConfig() throws IOException {
    write("tokenizer_config.json", "{}");
    write("generation_config.json", "{\"eos_token_id\": [5, 6]}");
    write("config.json", "{\"bos_token_id\": 7, \"eos_token_id\": 8, \"pad_token_id\": null}");
    try (Tokenizer tokenizer = load()) {
      assertEquals(OptionalInt.of(7), tokenizer.bosId());
      assertEquals(OptionalInt.of(5), tokenizer.eosId());
      assertEquals(OptionalInt.empty(), tokenizer.padId());
    }
  }

  @Test
  void anExplicitNullMeansNone() throws IOException {
    write("tokenizer_config.json", "{\"bos_token\": null, \"eos_token\": \"</s>\"}");
    write("config.json", "{\"bos_token_id\": 7}");
    try (Tokenizer tokenizer = load()) {
      assertEquals(OptionalInt.empty(), tokenizer.bosId());
      TokenDocuments documents =
          TokenDocuments.encode(tokenizer, List.of(new Document("a", ""), new Document("b", "x")));
      assertArrayEquals(new int[] {2}, documents.document(0));
      assertEquals(2, documents.length(1));
    }
  }

  @Test
  void withoutAnyConfigThereAreNoSpecialTokens() throws IOException {
    try (Tokenizer tokenizer = load()) {
      assertEquals(OptionalInt.empty(), tokenizer.bosId());
      assertEquals(OptionalInt.empty(), tokenizer.eosId());
      assertEquals("text", tokenizer.decode(tokenizer.encode("text")));
    }
  }

  @Test
  void theFingerprintFollowsTheContentOnly() throws IOException {
    String original;
    try (Tokenizer tokenizer = load()) {
      original = tokenizer.fingerprint();
    }
    ObjectNode json = (ObjectNode) JSON.readTree(folder.resolve("tokenizer.json").toFile());
    ObjectNode reordered = JSON.createObjectNode();
    reordered.set("model", json.get("model"));
    reordered.setAll(json);
    reordered.set(
        "truncation",
        JSON.readTree(
            """
            {"direction": "Right", "max_length": 8, "strategy": "LongestFirst", "stride": 0}"""));
    write("tokenizer.json", reordered.toPrettyString());
    try (Tokenizer tokenizer = load()) {
      assertEquals(original, tokenizer.fingerprint());
      assertEquals(1000, tokenizer.encode(" a".repeat(1000)).length, "its truncation is ignored");
    }

    ((ObjectNode) reordered.get("pre_tokenizer")).put("add_prefix_space", true);
    write("tokenizer.json", reordered.toString());
    try (Tokenizer tokenizer = load()) {
      assertNotEquals(original, tokenizer.fingerprint());
    }
  }

  @Test
  void theFingerprintHoldsTheEnclosingTokens() throws IOException {
    write("tokenizer_config.json", "{\"eos_token\": \"</s>\"}");
    String original;
    try (Tokenizer tokenizer = load()) {
      original = tokenizer.fingerprint();
    }
    write("tokenizer_config.json", "{\"eos_token\": \"<pad>\"}");
    try (Tokenizer tokenizer = load()) {
      assertNotEquals(original, tokenizer.fingerprint());
    }
  }

  @Test
  void aMissingTokenizerIsNamedWithTheWayOut() throws IOException {
    Files.delete(folder.resolve("tokenizer.json"));
    String message = assertThrows(NoSuchFileException.class, this::load).getMessage();
    assertTrue(message.contains(folder.resolve("tokenizer.json").toString()), message);
    assertTrue(message.contains("save_pretrained"), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "\u0000\u0001binary",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {}, \"merges\": []}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": -1}, \"merges\": []}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": \"x\"}, \"merges\": []}}",
        "{\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0}, \"merges\": [\"q w\"]}}",
        "{\"model\": {\"type\": \"Nonsense\", \"vocab\": {\"a\": 0}}}",
        "{\"model\": {\"vocab\": {\"a\": 0}}, \"added_tokens\": [{\"content\": \"b\"}]}",
      })
  void aMalformedTokenizerIsNamed(String content) throws IOException {
    write("tokenizer.json", content);
    String message = loadError();
    assertTrue(message.contains(folder.resolve("tokenizer.json").toString()), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "tokenizer_config.json  | {\"bos_token\": \"<nope>\"}     | '<nope>'",
        "tokenizer_config.json  | {\"bos_token\": 5}              | bos_token is 5",
        "tokenizer_config.json  | {\"bos_token\":                 | not valid JSON",
        "generation_config.json | {\"eos_token_id\": 2048}        | 2048",
        "config.json            | {\"eos_token_id\": -1}          | -1",
        "config.json            | {\"eos_token_id\": \"two\"}     | two",
      })
  void aWrongSpecialTokenIsNamed(String file, String content, String part) throws IOException {
    write(file, content);
    String message = loadError();
    assertTrue(message.contains(folder.resolve(file).toString()), message);
    assertTrue(message.contains(part), message);
  }
}
