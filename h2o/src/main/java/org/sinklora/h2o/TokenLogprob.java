package org.sinklora.h2o;

/**
 * A token and the model's log-probability of it, before any sampling adjustment.
 *
 * @param token id
 * @param logprob natural logarithm of its probability
 */
public record TokenLogprob(int token, double logprob) {}
