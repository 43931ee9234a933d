package org.sinklora.data;

import java.io.IOException;

/** A flat sequence of token ids, possibly longer than an array can be. */
public interface TokenStream {
  /** Number of tokens. */
  long size();

  /**
   * A copy of {@code count} tokens from {@code start} on.
   *
   * @throws IndexOutOfBoundsException if they are not all within [0, {@link #size()})
   * @throws IOException if the tokens can't be read or are damaged
   */
  int[] read(long start, int count) throws IOException;
}
