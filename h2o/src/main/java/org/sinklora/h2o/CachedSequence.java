package org.sinklora.h2o;

/** A sequence that is being decoded: its model, its cache, and where it stands. */
abstract sealed class CachedSequence permits Sequence, CudaSequence {
  private final int limit;
  private int position;
  private int nextToken;

  /**
   * @param limit tokens that may be read
   */
  CachedSequence(int limit) {
    this.limit = limit;
  }

  abstract ServedModel model();

  abstract KvCache cache();

  /** The position of the next token: the number of tokens read so far. */
  final int position() {
    return position;
  }

  /** The token that the next step reads. */
  final int nextToken() {
    return nextToken;
  }

  final void feed(int token) {
    nextToken = token;
  }

  /**
   * Makes room for the next token.
   *
   * @throws CacheLimitException if the limit is reached
   */
  final void reserve() {
    if (position >= limit) {
      throw SequenceStart.limitReached(position + 1, limit);
    }
    cache().reserve();
  }

  final void advance(int tokens) {
    position += tokens;
  }
}
