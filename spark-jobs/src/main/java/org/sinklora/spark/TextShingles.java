package org.sinklora.spark;

import java.util.Arrays;

/** The set of runs of five words of a text, as hashes: what near duplicates have in common. */
final class TextShingles {
  /** Words that are compared together. */
  private static final int WORDS = 5;

  /** Room of the hashes: more than any set of texts has, less than the prime of Spark's MinHash. */
  static final int SPACE = 1 << 30;

  private final int[] words = new int[WORDS];
  private int[] runs = new int[256];
  private int wordCount;
  private int runCount;

  private TextShingles() {}

  /**
   * Hashes in [0, {@link #SPACE}), ascending, each once; of a text of fewer words the one run that
   * it is.
   */
  static int[] of(String text) {
    return new TextShingles().read(text);
  }

  private int[] read(String text) {
    int hash = 0;
    boolean inWord = false;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (!Character.isWhitespace(c)) {
        hash = 31 * hash + c;
        inWord = true;
      } else if (inWord) {
        word(hash);
        hash = 0;
        inWord = false;
      }
    }
    if (inWord) {
      word(hash);
    }
    if (wordCount < WORDS) {
      run(wordCount);
    }
    Arrays.sort(runs, 0, runCount);
    int distinct = 0;
    for (int i = 0; i < runCount; i++) {
      if (distinct == 0 || runs[i] != runs[distinct - 1]) {
        runs[distinct++] = runs[i];
      }
    }
    return Arrays.copyOf(runs, distinct);
  }

  private void word(int hash) {
    words[wordCount++ % WORDS] = hash;
    if (wordCount >= WORDS) {
      run(WORDS);
    }
  }

  /** A run of the last words. */
  private void run(int count) {
    long hash = 0;
    for (int i = wordCount - count; i < wordCount; i++) {
      hash = (hash + words[i % WORDS]) * 0x9E3779B97F4A7C15L;
      hash ^= hash >>> 29;
    }
    if (runCount == runs.length) {
      runs = Arrays.copyOf(runs, 2 * runCount);
    }
    runs[runCount++] = (int) Math.floorMod(hash, (long) SPACE);
  }
}
