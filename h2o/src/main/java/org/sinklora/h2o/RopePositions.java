package org.sinklora.h2o;

/** Which position a cached key is rotated to. */
public enum RopePositions {
  /** The one at which it was written. */
  ORIGINAL,
  /**
   * Its place among the positions that are alive, as StreamingLLM does: generation then never
   * leaves the range of positions the model was trained on.
   */
  CACHE
}
