package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** The held-out set that published perplexities rest on. */
class HeldOutTest {
  private static List<Document> documents;
  private static TokenDocuments tokens;

  @BeforeAll
  static void read() throws IOException {
    documents =
        SourceJar.read(HeldOutCorpus.JAR).stream()
            .filter(document -> document.characters() >= TokenDocuments.HELD_OUT_CHARACTERS)
            .toList();
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      tokens = TokenDocuments.heldOut(tokenizer, HeldOutCorpus.JAR);
    }
  }

  @Test
  void itHas131Documents() {
    assertEquals(131, documents.size());
    assertEquals(131, tokens.size());
  }

  @Test
  void licencesAreCutFromTheirBeginning() {
    List<String> beginWithCode =
        documents.stream().map(Document::text).filter(text -> text.startsWith("package")).toList();
    assertTrue(beginWithCode.size() >= 125, "documents: " + beginWithCode.size());
    for (String text : beginWithCode) {
      assertTrue(!text.contains("Licensed to the Apache Software Foundation"), text);
    }
  }

  @Test
  void aTokenIsAboutThreeCharacters() {
    long characters = documents.stream().mapToLong(Document::characters).sum();
    double perToken = (double) characters / tokens.tokens();
    System.out.printf(
        "%d documents, %,d characters, %,d tokens, %.4f characters per token%n",
        documents.size(), characters, tokens.tokens(), perToken);
    assertEquals(3.06, perToken, 0.25);
  }

  @Test
  void aWindowIsTheBeginningOfADocument() {
    for (int length : new int[] {512, 4096}) {
      List<int[]> windows = tokens.windows(length);
      System.out.println(windows.size() + " windows of " + length);
      for (int[] window : windows) {
        assertEquals(length, window.length);
        assertEquals(1, window[0]);
      }
      int[] first = tokens.document(0);
      assertArrayEquals(Arrays.copyOf(first, 512), tokens.windows(512).get(0));
      assertEquals(2, first[first.length - 1]);
    }
    assertTrue(tokens.windows(4096).size() >= 128, "128 of them made the published table");
  }
}
