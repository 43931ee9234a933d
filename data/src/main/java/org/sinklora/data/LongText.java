package org.sinklora.data;

import java.util.Arrays;

/**
 * Tokens of a text however long, in bounded memory: the native library needs some hundred bytes for
 * each token at once.
 *
 * <p>A longer text is encoded in segments that overlap. In the overlap the two encodings soon
 * agree, since a token depends on what is near; the one is left for the other at a place where both
 * begin the same tokens. So the ids are those of the whole text, but for a run of thousands of
 * characters without a place to cut, of which they may be others that decode to the same text.
 */
public final class LongText {
  /** Characters that are encoded at once. */
  public static final int SEGMENT = 1 << 20;

  /** Characters that two segments have in common. */
  private static final int OVERLAP = 1 << 12;

  /** Tokens that have to agree. */
  private static final int AGREEING = 8;

  private final Tokenizer tokenizer;
  private final String text;
  private final int segment;
  private final int overlap;
  private int[] ids = new int[1 << 16];
  private int count;

  private LongText(Tokenizer tokenizer, String text, int segment, int overlap) {
    this.tokenizer = tokenizer;
    this.text = text;
    this.segment = segment;
    this.overlap = overlap;
  }

  /** The ids of the text, as {@link Tokenizer#encode} gives them. */
  static int[] encode(Tokenizer tokenizer, String text) {
    return encode(tokenizer, text, SEGMENT, OVERLAP);
  }

  static int[] encode(Tokenizer tokenizer, String text, int segment, int overlap) {
    return text.length() <= segment
        ? tokenizer.encode(text)
        : new LongText(tokenizer, text, segment, overlap).encode();
  }

  private int[] encode() {
    int start = 0;
    int end = at(segment);
    Tokenizer.Spans left = tokenizer.encodeSpans(text.substring(start, end));
    int from = 0;
    while (end < text.length()) {
      int next = at(end - overlap);
      int nextEnd = at((int) Math.min(text.length(), (long) end + segment));
      Tokenizer.Spans right = tokenizer.encodeSpans(text.substring(next, nextEnd));
      int shift = text.codePointCount(start, next);
      int[] seam = seam(left, right, shift, text.codePointCount(next, end));
      if (seam == null) {
        // No place to cut: the segment takes the next one in.
        end = nextEnd;
        left = tokenizer.encodeSpans(text.substring(start, end));
      } else {
        take(left.ids(), from, seam[0]);
        from = seam[1];
        left = right;
        start = next;
        end = nextEnd;
      }
    }
    take(left.ids(), from, left.ids().length);
    return Arrays.copyOf(ids, count);
  }

  /** A place that is not inside a character. */
  private int at(int index) {
    return index < text.length() && Character.isLowSurrogate(text.charAt(index))
        ? index + 1
        : index;
  }

  /**
   * The first token of the left and of the right encoding behind which they agree; null if there is
   * none in the middle half of what they have in common.
   *
   * @param shift where the right one begins in the left one
   * @param common characters they have in common
   */
  private static int[] seam(Tokenizer.Spans left, Tokenizer.Spans right, int shift, int common) {
    int j = 0;
    for (int i = firstAt(left, shift + common / 4); i + AGREEING <= left.ids().length; i++) {
      int place = left.starts()[i] - shift;
      if (place >= common * 3 / 4) {
        return null;
      }
      while (j < right.ids().length && right.starts()[j] < place) {
        j++;
      }
      if (begins(left, i) && agree(left, i, right, j, shift)) {
        return new int[] {i, j};
      }
    }
    return null;
  }

  private static int firstAt(Tokenizer.Spans spans, int place) {
    int token = 0;
    while (token < spans.ids().length && spans.starts()[token] < place) {
      token++;
    }
    return token;
  }

  /** Whether it is the first of the tokens of its character. */
  private static boolean begins(Tokenizer.Spans spans, int token) {
    return token == 0 || spans.starts()[token - 1] < spans.starts()[token];
  }

  private static boolean agree(
      Tokenizer.Spans left, int i, Tokenizer.Spans right, int j, int shift) {
    if (j + AGREEING > right.ids().length) {
      return false;
    }
    for (int k = 0; k < AGREEING; k++) {
      if (left.ids()[i + k] != right.ids()[j + k]
          || left.starts()[i + k] - shift != right.starts()[j + k]) {
        return false;
      }
    }
    return true;
  }

  private void take(int[] source, int from, int to) {
    int added = to - from;
    if (count + added > ids.length) {
      ids = Arrays.copyOf(ids, (int) Math.min(Integer.MAX_VALUE - 8, 2L * (count + added)));
    }
    System.arraycopy(source, from, ids, count, added);
    count += added;
  }
}
