package org.sinklora.data;

import java.util.Arrays;

/**
 * Tokens of a text however long, in bounded memory: the native library needs some hundred bytes for
 * each token at once.
 *
 * <p>A longer text is encoded in segments that overlap. What both have in common is also encoded by
 * itself: the next segment begins as it does, and this one ends as it does, but for some tokens
 * whose neighbours are cut off. Where both agree with it, the one is left for the other. So the ids
 * are those of the whole text, but for a run of thousands of characters without a place to cut, of
 * which they may be others that decode to the same text.
 */
public final class LongText {
  /** Characters that are encoded at once. */
  public static final int SEGMENT = 1 << 20;

  /** Characters that two segments have in common. */
  private static final int OVERLAP = 1 << 12;

  /** Tokens of the common part that have to agree with both. */
  private static final int AGREEING = 16;

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

  /** The ids of the text, as {@link Tokenizer#encodeContent} gives them. */
  static int[] encode(Tokenizer tokenizer, String text) {
    return encode(tokenizer, text, SEGMENT, OVERLAP);
  }

  /**
   * @param overlap less than half a segment
   */
  static int[] encode(Tokenizer tokenizer, String text, int segment, int overlap) {
    return text.length() <= segment
        ? tokenizer.encodeContent(text)
        : new LongText(tokenizer, text, segment, overlap).encode();
  }

  private int[] encode() {
    int start = 0;
    int end = boundary(segment);
    int[] left = ids(start, end);
    int from = 0;
    while (end < text.length()) {
      int next = boundary(end - overlap);
      int nextEnd = boundary((int) Math.min(text.length(), (long) end + segment));
      int[] common = ids(next, end);
      int[] right = ids(next, nextEnd);
      int first = common.length - commonEnd(left, common);
      int last = commonBegin(right, common);
      if (last - first < AGREEING) {
        // No place to cut: the segment takes the next one in.
        end = nextEnd;
        left = ids(start, end);
      } else {
        int seam = (first + last) / 2;
        take(left, from, left.length - (common.length - seam));
        from = seam;
        left = right;
        start = next;
        end = nextEnd;
      }
    }
    take(left, from, left.length);
    return Arrays.copyOf(ids, count);
  }

  private int[] ids(int start, int end) {
    return tokenizer.encodeContent(text.substring(start, end));
  }

  /** A place that is not inside a character. */
  private int boundary(int index) {
    boolean inside = index < text.length() && Character.isLowSurrogate(text.charAt(index));
    return inside ? index + 1 : index;
  }

  /** How many tokens are equal at the end. */
  private static int commonEnd(int[] left, int[] common) {
    int equal = 0;
    while (equal < Math.min(left.length, common.length)
        && left[left.length - 1 - equal] == common[common.length - 1 - equal]) {
      equal++;
    }
    return equal;
  }

  /** How many tokens are equal at the beginning. */
  private static int commonBegin(int[] right, int[] common) {
    int differs = Arrays.mismatch(right, common);
    return differs < 0 ? common.length : differs;
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
