package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizerTest {
  private static Tokenizer tokenizer;

  @BeforeAll
  static void load() throws IOException {
    tokenizer = Tokenizer.load(BundledModel.folder());
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  @Test
  void theBundledTokenizerIsDescribed() {
    assertEquals(OptionalInt.of(1), tokenizer.bosId());
    assertEquals(OptionalInt.of(2), tokenizer.eosId());
    assertEquals(OptionalInt.of(3), tokenizer.padId());
    assertEquals(2048, tokenizer.vocabularySize());
    assertTrue(tokenizer.fingerprint().matches("[0-9a-f]{64}"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        " ",
        "\n\n\t  x  \r\n",
        "public static void main(String[] args) { return; }",
        "Zażółć gęślą jaźń, 你好, привет, שלום",
        "\uD83D\uDE00 \uD83D\uDC68\u200D\uD83D\uDC69\u200D\uD83D\uDC67 e\u0301 \uFEFF",
        "a\u0000b\u0001\u007F\u0080\uFFFF",
        "<s> </s> <unk> <pad> <s></s>",
      })
  void aTextComesBackFromItsIds(String text) {
    assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
  }

  @Test
  void nothingIsAddedToAText() {
    assertArrayEquals(new int[0], tokenizer.encode(""));
    int[] ids = tokenizer.encode("class A {}");
    assertTrue(IntStream.of(ids).allMatch(id -> id > 3), Arrays.toString(ids));
  }

  @Test
  void aSpecialTokenSpelledInTheTextBecomesThatToken() {
    assertArrayEquals(new int[] {1, 2, 0, 3}, tokenizer.encode("<s></s><unk><pad>"));
  }

  @Test
  void aDocumentEndsNowhereButAtItsEnd() {
    String text = "a <s>b</s><s>c <unk> </s>";
    int[] document = TokenDocuments.encode(tokenizer, text);
    int last = document.length - 1;
    assertEquals(1, document[0]);
    assertEquals(2, document[last]);
    int[] content = Arrays.copyOfRange(document, 1, last);
    assertTrue(IntStream.of(content).noneMatch(id -> id == 1 || id == 2), text);
    assertTrue(IntStream.of(content).anyMatch(id -> id == 0), text);
    assertEquals(text, tokenizer.decode(content));
    assertArrayEquals(tokenizer.encode("a <unk> b"), tokenizer.encodeContent("a <unk> b"));
  }

  @Test
  void aLoneSurrogateIsAQuestionMark() {
    assertEquals("a?b", tokenizer.decode(tokenizer.encode("a\uD83Db")));
    assertEquals("?\uD83D\uDE00?", tokenizer.decode(tokenizer.encode("\uDE00\uD83D\uDE00\uD83D")));
  }

  @Test
  void halfACharacterDecodesToTheReplacementCharacter() {
    int[] ids = tokenizer.encode("\u4F60");
    assertTrue(ids.length > 1);
    assertEquals("\uFFFD", tokenizer.decode(Arrays.copyOf(ids, 1)));
  }

  @Test
  void aMegabyteIsEncodedWhole() {
    StringBuilder text = new StringBuilder();
    for (int i = 0; text.length() < 1_000_000; i++) {
      text.append("  int value").append(i).append(" = compute(").append(i * 31).append(");\n");
    }
    int[] ids = tokenizer.encode(text.toString());
    assertTrue(ids.length > 200_000, "ids: " + ids.length);
    assertEquals(text.toString(), tokenizer.decode(ids));
  }

  @Test
  void oneLongWordIsEncodedWhole() {
    String text = "xyzzy".repeat(20_000);
    assertEquals(text, tokenizer.decode(tokenizer.encode(text)));
  }

  @Test
  void threadsShareATokenizer() {
    String text = "The whale, the whale! Up helm, up helm!";
    int[] expected = tokenizer.encode(text);
    IntStream.range(0, 200)
        .parallel()
        .forEach(i -> assertArrayEquals(expected, tokenizer.encode(text)));
  }

  @Test
  void anIdOutsideTheVocabularyIsNamed() {
    for (int id : List.of(-1, 2048, Integer.MAX_VALUE)) {
      Exception error =
          assertThrows(
              IllegalArgumentException.class, () -> tokenizer.decode(new int[] {5, 6, id}));
      assertTrue(
          error.getMessage().contains("Token id " + id + " at position 2"), error.getMessage());
      assertTrue(error.getMessage().contains("2,048"), error.getMessage());
    }
  }

  @Test
  void aClosedTokenizerSaysSo() throws IOException {
    Tokenizer closed = Tokenizer.load(BundledModel.folder());
    closed.close();
    closed.close();
    assertThrows(IllegalStateException.class, () -> closed.encode("x"));
    assertThrows(IllegalStateException.class, () -> closed.decode(new int[] {5}));
  }
}
