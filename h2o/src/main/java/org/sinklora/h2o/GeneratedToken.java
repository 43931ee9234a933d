package org.sinklora.h2o;

import java.util.List;

/**
 * One step of a generation.
 *
 * @param index number of the token in the answer, from 0
 * @param token its id
 * @param text the text that has become certain with it: empty inside a character of several tokens
 *     or a possible stop string, and without a tokenizer
 * @param logprob the model's log-probability of it; NaN unless asked for
 * @param alternatives the most probable tokens, best first; empty unless asked for
 */
public record GeneratedToken(
    int index, int token, String text, double logprob, List<TokenLogprob> alternatives) {}
