package org.sinklora.h2o;

import java.util.function.BooleanSupplier;
import org.sinklora.lora.CausalLm;

/**
 * Where sequences are decoded: it prepares models, holds caches and computes logits. Policies,
 * sampling, stop strings and reports are the same everywhere.
 *
 * <p>Used by one thread at a time. Sequences, models and caches belong to the engine that made
 * them.
 */
sealed interface DecodeEngine extends AutoCloseable permits CpuEngine, CudaEngine {

  /**
   * A model ready for decoding; models over one base share its weights.
   *
   * @throws IllegalArgumentException if the model is not on the engine's device, or has what the
   *     engine cannot compute
   */
  ServedModel model(CausalLm model);

  /** No further sequence of a model begins; those under way go on. */
  void release(ServedModel model);

  /** Bytes of the base weights as decoding reads them. */
  long weightBytes();

  /** Bytes that a cache will take once all its tokens are there. */
  long plannedBytes(CacheSpec spec);

  /**
   * A sequence that has read nothing.
   *
   * @param limit tokens that may be read
   * @throws IllegalArgumentException if the engine has no such cache
   * @throws CacheLimitException if there is no memory for it
   */
  CachedSequence newSequence(ServedModel model, CacheSpec spec, int limit);

  /**
   * Reads a prompt from its beginning: fills the sequence's cache with what its policy keeps, and
   * leaves the logits of the last token in row 0.
   *
   * @param cancelled asked between chunks
   * @return whether the prompt was read to its end; the cache is of no use otherwise
   */
  boolean prefill(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled);

  /**
   * Reads the rest of a prompt whose beginning the sequence has read, with the outcome of steps.
   * Leaves the logits of the last token in row 0.
   *
   * @param tokens the whole prompt
   * @param cancelled asked between chunks
   * @return whether the prompt was read to its end
   */
  boolean readOn(CachedSequence sequence, int[] tokens, BooleanSupplier cancelled);

  /**
   * One token for every sequence; logits of the i-th in row i. Sequences of one model should stand
   * side by side. Their caches must have room.
   */
  void step(CachedSequence[] sequences, int count);

  /** Logits of the last step: row i begins at {@code i · logitsRow()}. */
  float[] logits();

  int logitsRow();

  @Override
  void close();
}
