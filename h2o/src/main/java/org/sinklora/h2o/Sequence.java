package org.sinklora.h2o;

/** A sequence that is being decoded: its model, its cache, and where it stands. */
final class Sequence {
  private final DecoderModel model;
  private final SequenceCache cache;
  private final int limit;
  private int position;
  private int nextToken;

  Sequence(DecoderModel model, SequenceCache cache) {
    this(model, cache, Integer.MAX_VALUE);
  }

  /**
   * @param limit tokens that may be read
   */
  Sequence(DecoderModel model, SequenceCache cache, int limit) {
    this.model = model;
    this.cache = cache;
    this.limit = limit;
  }

  DecoderModel model() {
    return model;
  }

  SequenceCache cache() {
    return cache;
  }

  /** The position of the next token: the number of tokens read so far. */
  int position() {
    return position;
  }

  /** The token that the next step reads. */
  int nextToken() {
    return nextToken;
  }

  void feed(int token) {
    nextToken = token;
  }

  /**
   * Makes room for the next token.
   *
   * @throws CacheLimitException if the limit is reached
   */
  void reserve() {
    if (position >= limit) {
      throw SequenceStart.limitReached(position + 1, limit);
    }
    cache.reserve();
  }

  void advance(int tokens) {
    position += tokens;
  }
}
