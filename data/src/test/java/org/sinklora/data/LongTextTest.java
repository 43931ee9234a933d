package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A text in segments has the tokens of the whole. */
class LongTextTest {
  private static final String[] WORDS = {
    "public",
    " static",
    "\n\n    ",
    " überall",
    " 漢字と仮名",
    " 🙂🙃",
    "    ",
    " 12345",
    "();",
    "\t\t",
    " a"
  };

  private static String text(int words) {
    Random random = new Random(7);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < words; i++) {
      text.append(WORDS[random.nextInt(WORDS.length)]);
    }
    return text.toString();
  }

  @Test
  void segmentsHaveTheTokensOfTheWhole() throws IOException {
    String text = text(20_000);
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      int[] whole = tokenizer.encode(text);
      for (int segment : new int[] {1000, 1001, 4096, text.length() - 1}) {
        assertArrayEquals(whole, LongText.encode(tokenizer, text, segment, 256));
      }
    }
  }

  @Test
  void whatCannotBeCutIsTheSameText() throws IOException {
    String text = "b".repeat(5000) + text(100) + " ".repeat(3000) + "é".repeat(3000) + "end";
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      assertEquals(text, tokenizer.decode(LongText.encode(tokenizer, text, 1024, 256)));
    }
  }
}
