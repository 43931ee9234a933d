package org.sinklora.h2o;

import java.util.List;

/**
 * What a request came to.
 *
 * @param tokens the answer, a final stop id included
 * @param text the answer without stop id and stop string; empty without a tokenizer
 * @param finish why it ended
 * @param error what went wrong; null unless {@link FinishReason#FAILED}
 * @param warning that the text ran past the context the model was trained for, and what to do; null
 *     if it did not
 * @param logprobs one a token; empty unless asked for
 * @param reusedTokens tokens of the prompt that came out of the prefix cache
 * @param cachePlannedBytes bytes the KV cache was planned to take for the whole request
 * @param cacheResidentBytes bytes it took at the end
 * @param cacheReport what the cache held at the end; null unless asked for
 */
public record GenerationResult(
    int[] tokens,
    String text,
    FinishReason finish,
    String error,
    String warning,
    List<GeneratedToken> logprobs,
    int reusedTokens,
    long cachePlannedBytes,
    long cacheResidentBytes,
    CacheReport cacheReport) {}
