package org.sinklora.h2o;

/** A sequence that is being decoded: its model, its cache, and where it stands. */
final class Sequence {
  private final DecoderModel model;
  private final SequenceCache cache;
  private int position;
  private int nextToken;

  Sequence(DecoderModel model, SequenceCache cache) {
    this.model = model;
    this.cache = cache;
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

  void advance(int tokens) {
    position += tokens;
  }
}
