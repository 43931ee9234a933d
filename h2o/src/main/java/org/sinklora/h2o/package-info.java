/**
 * Generation from a KV cache that stays small and says what it kept.
 *
 * <p>{@link org.sinklora.h2o.KvCachePolicy} decides what a cache keeps, {@link
 * org.sinklora.h2o.Generator} generates, {@link org.sinklora.h2o.CachePerplexity} says what a
 * policy costs in quality, {@link org.sinklora.h2o.DecodeBench} what it gains in speed.
 *
 * <p>The path of a token: {@code Decoder} → {@code DecoderPass} (the linears, weights read once for
 * all sequences) → {@code PromptAttention} or {@code DecodeAttention} → {@code SequenceCache} →
 * {@code Sampler}.
 */
package org.sinklora.h2o;
