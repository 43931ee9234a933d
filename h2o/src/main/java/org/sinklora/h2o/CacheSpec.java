package org.sinklora.h2o;

/**
 * What a sequence's cache has to be.
 *
 * @param policy resolved
 * @param precision how keys and values are stored
 * @param rope which position keys are rotated to
 * @param promptTokens tokens of the prompt
 * @param tokens tokens of the whole sequence, the prompt's among them
 */
record CacheSpec(
    KvCachePolicy policy,
    CachePrecision precision,
    RopePositions rope,
    int promptTokens,
    long tokens) {}
