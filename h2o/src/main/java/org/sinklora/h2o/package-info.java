/**
 * Generation from a KV cache that stays small: {@link org.sinklora.h2o.Generator} runs requests,
 * {@link org.sinklora.h2o.KvCachePolicy} decides what each sequence's cache keeps.
 */
package org.sinklora.h2o;
