package org.sinklora.data;

import java.util.Arrays;
import java.util.function.Consumer;

/**
 * Packs documents into sequences of one length. A sequence begins with BOS, and so does every piece
 * of another document in it, which is how a reader knows where one ends. The last sequence may be
 * shorter. Used by one thread.
 */
public final class SequencePacker {
  private final int bos;
  private final int[] sequence;
  private final Consumer<int[]> sink;
  private int filled;

  /**
   * @param length tokens of a sequence, at least 2
   * @param bos the token that begins a piece
   * @param sink receives each sequence
   */
  public SequencePacker(int length, int bos, Consumer<int[]> sink) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "A sequence of " + length + " tokens predicts nothing; choose 2 or more");
    }
    this.bos = bos;
    this.sequence = new int[length];
    this.sink = sink;
  }

  /**
   * Adds a document: BOS, text, EOS. What does not fit begins the next sequence, behind a BOS.
   *
   * @param document tokens, the first BOS
   */
  public void add(int[] document) {
    int at = 1;
    while (at < document.length) {
      // A BOS that nothing follows would predict nothing.
      if (filled == sequence.length - 1) {
        sequence[filled++] = bos;
        flush();
      }
      sequence[filled++] = bos;
      int count = Math.min(document.length - at, sequence.length - filled);
      System.arraycopy(document, at, sequence, filled, count);
      filled += count;
      at += count;
      if (filled == sequence.length) {
        flush();
      }
    }
  }

  /** Ends the last sequence: it has two tokens at least, and may be as long as the others. */
  public void finish() {
    if (filled > 0) {
      flush();
    }
  }

  private void flush() {
    sink.accept(Arrays.copyOf(sequence, filled));
    filled = 0;
  }

  /** Lengths of the pieces of a packed sequence. */
  public static int[] pieces(int[] sequence, int bos) {
    int[] lengths = new int[sequence.length];
    int count = 0;
    for (int start = 0; start < sequence.length; ) {
      int end = start + 1;
      while (end < sequence.length && sequence[end] != bos) {
        end++;
      }
      lengths[count++] = end - start;
      start = end;
    }
    return Arrays.copyOf(lengths, count);
  }
}
