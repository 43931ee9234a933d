package org.sinklora.h2o;

import java.util.Arrays;
import java.util.List;
import org.sinklora.data.Tokenizer;

/**
 * Turns an answer's tokens into text as they come. A character may span tokens and a token's text
 * depends on the one before, so that pieces are decoded together with their predecessors; and text
 * that may become a stop string is held back.
 */
final class TextStream {
  /** What half a character decodes to. */
  private static final String INCOMPLETE = "\uFFFD";

  /** Tokens after which an incomplete character is taken for what it is. */
  private static final int LONGEST_CHARACTER = 8;

  private final Tokenizer tokenizer;
  private final List<String> stopStrings;
  private final StringBuilder released = new StringBuilder();
  private final StringBuilder held = new StringBuilder();
  private int[] tokens = new int[64];
  private int count;
  private int context;
  private int decoded;
  private boolean stopped;

  /**
   * @param tokenizer null for no text at all
   */
  TextStream(Tokenizer tokenizer, List<String> stopStrings) {
    this.tokenizer = tokenizer;
    this.stopStrings = stopStrings;
  }

  /** Takes a token; returns the text that has become certain. */
  String add(int token) {
    if (tokenizer == null) {
      return "";
    }
    if (count == tokens.length) {
      tokens = Arrays.copyOf(tokens, 2 * count);
    }
    tokens[count] = token;
    count++;
    String before = decode(context, decoded);
    String now = decode(context, count);
    boolean incomplete = now.endsWith(INCOMPLETE) && count - decoded < LONGEST_CHARACTER;
    if (incomplete || now.length() <= before.length()) {
      return "";
    }
    held.append(now, before.length(), now.length());
    context = decoded;
    decoded = count;
    return release(false);
  }

  /** What is still held back when the answer has ended otherwise. */
  String finish() {
    if (tokenizer == null || stopped) {
      return "";
    }
    String before = decode(context, decoded);
    String now = decode(context, count);
    if (now.length() > before.length()) {
      held.append(now, before.length(), now.length());
    }
    return release(true);
  }

  /** Whether a stop string has come. */
  boolean stopped() {
    return stopped;
  }

  /** All text released so far. */
  String text() {
    return released.toString();
  }

  private String decode(int from, int to) {
    return from == to ? "" : tokenizer.decode(Arrays.copyOfRange(tokens, from, to));
  }

  private String release(boolean all) {
    int end = all ? held.length() : held.length() - possibleStop();
    for (String stop : stopStrings) {
      int at = held.indexOf(stop);
      if (at >= 0 && (!stopped || at < end)) {
        stopped = true;
        end = at;
      }
    }
    String text = held.substring(0, end);
    released.append(text);
    held.delete(0, stopped ? held.length() : end);
    return text;
  }

  /** Length of the longest end of the held text that begins a stop string. */
  private int possibleStop() {
    int longest = 0;
    for (String stop : stopStrings) {
      for (int n = Math.min(stop.length() - 1, held.length()); n > longest; n--) {
        if (stop.startsWith(held.substring(held.length() - n))) {
          longest = n;
        }
      }
    }
    return longest;
  }
}
