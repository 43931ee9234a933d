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
  void itsTokensAreThoseOfHuggingFacesLibrary() {
    // Counted with the Python package tokenizers 0.22.2, which gave the same ids throughout.
    assertEquals(1_295_239, tokens.tokens());
    assertEquals(3_838_299, documents.stream().mapToLong(Document::characters).sum());
  }

  @Test
  void aWindowIsTheBeginningOfADocument() {
    for (int length : new int[] {512, 4096}) {
      List<int[]> windows = tokens.windows(length);
      assertEquals(131, windows.size());
      for (int[] window : windows) {
        assertEquals(length, window.length);
        assertEquals(1, window[0]);
      }
      int[] first = tokens.document(0);
      assertArrayEquals(Arrays.copyOf(first, 512), tokens.windows(512).get(0));
      assertEquals(2, first[first.length - 1]);
    }
  }
}
