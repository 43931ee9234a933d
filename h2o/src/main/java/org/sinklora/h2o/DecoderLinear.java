package org.sinklora.h2o;

/**
 * {@code y = W x + b}, plus an adapter's unmerged update.
 *
 * @param weight shared by the models over one base
 * @param bias [out], filled up to whole panels with zeros; null without
 * @param lowRank null without
 */
record DecoderLinear(Matrix weight, float[] bias, LowRank lowRank) {}
