package org.sinklora.h2o;

/** A sequence that is decoded on the CPU. */
final class Sequence extends CachedSequence {
  private final DecoderModel model;
  private final SequenceCache cache;

  Sequence(DecoderModel model, SequenceCache cache) {
    this(model, cache, Integer.MAX_VALUE);
  }

  /**
   * @param limit tokens that may be read
   */
  Sequence(DecoderModel model, SequenceCache cache, int limit) {
    super(limit);
    this.model = model;
    this.cache = cache;
  }

  @Override
  DecoderModel model() {
    return model;
  }

  @Override
  SequenceCache cache() {
    return cache;
  }
}
