package org.sinklora.compute;

import java.util.Arrays;

/**
 * How the tokens of a batch divide into documents: document {@code i} is tokens {@code [start(i),
 * end(i))}. Tokens of different documents never see each other and positions count from each
 * document's start, so a batch of B sequences is B documents, and padding does not exist.
 */
public final class Documents {
  private final int[] bounds;
  private int[] positions;

  private Documents(int[] bounds) {
    this.bounds = bounds;
  }

  /**
   * Documents of the given lengths, one behind the other.
   *
   * @throws IllegalArgumentException if there is none, or one is empty
   */
  public static Documents ofLengths(int... lengths) {
    if (lengths.length == 0) {
      throw new IllegalArgumentException("A batch needs at least one document");
    }
    int[] bounds = new int[lengths.length + 1];
    for (int i = 0; i < lengths.length; i++) {
      if (lengths[i] < 1) {
        throw new IllegalArgumentException("Document " + i + " has length " + lengths[i]);
      }
      bounds[i + 1] = Math.addExact(bounds[i], lengths[i]);
    }
    return new Documents(bounds);
  }

  /** {@code count} documents of {@code length} tokens each. */
  public static Documents uniform(int count, int length) {
    int[] lengths = new int[count];
    Arrays.fill(lengths, length);
    return ofLengths(lengths);
  }

  public int count() {
    return bounds.length - 1;
  }

  /** All tokens of all documents. */
  public int tokens() {
    return bounds[bounds.length - 1];
  }

  public int start(int document) {
    return bounds[document];
  }

  public int end(int document) {
    return bounds[document + 1];
  }

  public int length(int document) {
    return bounds[document + 1] - bounds[document];
  }

  public int longest() {
    int longest = 0;
    for (int i = 0; i < count(); i++) {
      longest = Math.max(longest, length(i));
    }
    return longest;
  }

  /** The position of every token inside its document; the caller must not change the array. */
  public int[] positions() {
    if (positions == null) {
      int[] counted = new int[tokens()];
      for (int d = 0; d < count(); d++) {
        for (int t = start(d); t < end(d); t++) {
          counted[t] = t - start(d);
        }
      }
      positions = counted;
    }
    return positions;
  }
}
