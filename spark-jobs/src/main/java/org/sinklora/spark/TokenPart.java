package org.sinklora.spark;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/**
 * The tokens of a chunk, in a file of the working folder; the counts are also in its footer.
 *
 * @param file where it is
 * @param documents in it
 * @param tokens of all
 * @param tooLong documents that fit no packed sequence, not counted above
 * @param tooLongCharacters of these
 * @param tooLongTokens of the longest of these; 0 if there is none
 * @param nanos of processor time that making it took; 0 if it was there
 */
record TokenPart(
    String file,
    long documents,
    long tokens,
    long tooLong,
    long tooLongCharacters,
    long tooLongTokens,
    long nanos)
    implements Serializable {
  private static final String PREFIX = "sinklora.";

  /** The counts for the footer. */
  Map<String, String> counts() {
    Map<String, String> counts = new HashMap<>();
    counts.put(PREFIX + "documents", Long.toString(documents));
    counts.put(PREFIX + "tokens", Long.toString(tokens));
    counts.put(PREFIX + "too_long", Long.toString(tooLong));
    counts.put(PREFIX + "too_long_characters", Long.toString(tooLongCharacters));
    counts.put(PREFIX + "too_long_tokens", Long.toString(tooLongTokens));
    return counts;
  }

  /** A part that was there. */
  static TokenPart of(String file, Map<String, String> footer) {
    return new TokenPart(
        file,
        Long.parseLong(footer.get(PREFIX + "documents")),
        Long.parseLong(footer.get(PREFIX + "tokens")),
        Long.parseLong(footer.get(PREFIX + "too_long")),
        Long.parseLong(footer.get(PREFIX + "too_long_characters")),
        Long.parseLong(footer.get(PREFIX + "too_long_tokens")),
        0);
  }

  boolean found() {
    return nanos == 0;
  }
}
