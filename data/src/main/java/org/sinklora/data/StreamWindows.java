package org.sinklora.data;

import java.io.IOException;
import java.util.Objects;

/**
 * The windows of the stream perplexity protocol: {@code length} tokens from every {@code stride}-th
 * token of the stream on; what is left at the end and fills no window is dropped.
 *
 * <p>LongLoRA's evaluation script drops one complete window more: the last of those that have a
 * token behind them.
 */
public final class StreamWindows {
  /** The stride LongLoRA evaluates with, in tokens. */
  public static final int DEFAULT_STRIDE = 256;

  private final TokenStream stream;
  private final int length;
  private final int stride;

  /**
   * @param length tokens per window, at least 2
   * @param stride tokens from the start of a window to the start of the next, at least 1
   */
  public StreamWindows(TokenStream stream, int length, int stride) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "A window of " + length + " tokens predicts nothing; choose 2 or more");
    }
    if (stride < 1) {
      throw new IllegalArgumentException("The stride is " + stride + "; choose 1 or more");
    }
    this.stream = stream;
    this.length = length;
    this.stride = stride;
  }

  /** Number of windows, 0 if the stream is shorter than one. */
  public long count() {
    return stream.size() < length ? 0 : (stream.size() - length) / stride + 1;
  }

  /**
   * The tokens of one window.
   *
   * @param index from 0 to {@link #count()} − 1
   * @throws IOException as {@link TokenStream#read}
   */
  public int[] get(long index) throws IOException {
    return stream.read(Objects.checkIndex(index, count()) * stride, length);
  }
}
