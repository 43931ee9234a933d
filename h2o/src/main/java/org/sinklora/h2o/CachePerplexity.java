package org.sinklora.h2o;

import java.util.List;

/**
 * Perplexity of documents as a generation would see them: token by token through the KV cache, the
 * document's own tokens being fed. What a policy costs in quality.
 *
 * @param policy the cache's policy
 * @param positions positions of cached keys
 * @param promptTokens tokens of each document that were read at once and not scored
 * @param value e to the mean loss
 * @param meanLoss mean cross-entropy over all scored tokens of all documents, in nats
 * @param standardError of the mean loss, from the spread of the documents' means; NaN for one
 * @param documents number of documents
 * @param predictions number of scored tokens
 * @param tokensPerSecond decoded tokens a second, of all documents that were decoded together; the
 *     reading of prompts does not count
 * @param cacheBytes bytes of a document's cache at its end, the largest
 */
public record CachePerplexity(
    String policy,
    RopePositions positions,
    int promptTokens,
    double value,
    double meanLoss,
    double standardError,
    int documents,
    long predictions,
    double tokensPerSecond,
    long cacheBytes) {

  /**
   * Scores documents, as many together as the generator's batch has room for.
   *
   * @param adapter a name the generator knows; empty for the base
   * @param documents token ids, each longer than the prompt
   * @throws IllegalArgumentException if there is no document, one is too short, or there is no such
   *     adapter
   * @throws ArithmeticException if logits are not finite
   */
  public static CachePerplexity of(
      Generator generator, String adapter, List<int[]> documents, ScoringOptions options) {
    if (documents.isEmpty()) {
      throw new IllegalArgumentException("There is no document to score");
    }
    TextScoring scoring = TextScoring.of(generator, generator.model(adapter), documents, options);
    double loss = 0;
    long predictions = 0;
    double mean = 0;
    int n = documents.size();
    for (ScoredText text : scoring.texts()) {
      loss += text.loss();
      predictions += text.predictions();
      mean += text.loss() / text.predictions() / n;
    }
    double squares = 0;
    for (ScoredText text : scoring.texts()) {
      squares += Math.pow(text.loss() / text.predictions() - mean, 2);
    }
    return new CachePerplexity(
        options.policy().toString(),
        options.rope(),
        options.promptTokens(),
        Math.exp(loss / predictions),
        loss / predictions,
        n < 2 ? Double.NaN : Math.sqrt(squares / (n - 1) / n),
        n,
        predictions,
        scoring.tokensPerSecond(),
        scoring.cacheBytes());
  }
}
