package org.sinklora.h2o;

/** A sequence that is decoded on a GPU. */
final class CudaSequence extends CachedSequence {
  private final CudaModel model;
  private final CudaCache cache;

  /**
   * @param limit tokens that may be read
   */
  CudaSequence(CudaModel model, CudaCache cache, int limit) {
    super(limit);
    this.model = model;
    this.cache = cache;
  }

  @Override
  CudaModel model() {
    return model;
  }

  @Override
  CudaCache cache() {
    return cache;
  }
}
