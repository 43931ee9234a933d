package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.lora.ModelConfig;

/**
 * Perplexity of documents as a generation would see them: token by token through the KV cache, the
 * document's own tokens being fed. What a policy costs in quality.
 *
 * @param policy the cache's policy
 * @param value e to the mean loss
 * @param meanLoss mean cross-entropy over all scored tokens of all documents, in nats
 * @param standardError of the mean loss, from the spread of the documents' means; NaN for one
 * @param documents number of documents
 * @param predictions number of scored tokens
 * @param tokensPerSecond scored tokens a second, of all documents that were decoded together
 * @param cacheBytes bytes of a document's cache at its end, the largest
 */
public record CachePerplexity(
    String policy,
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
    List<Reading> readings = new ArrayList<>();
    long start = System.nanoTime();
    for (int from = 0; from < documents.size(); from += generator.maxBatch()) {
      int to = Math.min(documents.size(), from + generator.maxBatch());
      readings.addAll(
          read(generator, generator.model(adapter), documents.subList(from, to), options));
    }
    return summary(readings, options, (System.nanoTime() - start) * 1e-9);
  }

  /** A document on its way. */
  private static final class Reading {
    private final int[] tokens;
    private final Sequence sequence;
    private double loss;
    private long predictions;

    Reading(int[] tokens, Sequence sequence) {
      this.tokens = tokens;
      this.sequence = sequence;
    }

    /** Scores the prediction of the next token and feeds it, if another one is to be predicted. */
    boolean score(float[] logits, int at, int vocabulary) {
      int next = tokens[sequence.position()];
      double nats = Logprobs.logSumExp(logits, at, vocabulary) - logits[at + next];
      if (!Double.isFinite(nats)) {
        throw new ArithmeticException(
            "The loss of token %d is %s; the weights hold NaN, or are too large"
                .formatted(sequence.position(), nats));
      }
      loss += nats;
      predictions++;
      sequence.feed(next);
      return sequence.position() < tokens.length - 1;
    }
  }

  private static List<Reading> read(
      Generator generator, DecoderModel model, List<int[]> documents, ScoringOptions options) {
    ModelConfig config = model.shape().config();
    Decoder decoder = generator.decoder();
    List<Reading> all = new ArrayList<>();
    List<Reading> open = new ArrayList<>();
    for (int[] tokens : documents) {
      if (tokens.length <= options.promptTokens()) {
        throw new IllegalArgumentException(
            "A document of %d tokens has nothing to predict behind a prompt of %d"
                .formatted(tokens.length, options.promptTokens()));
      }
      KvCachePolicy policy = options.policy().resolve(tokens.length);
      CachePlan plan =
          CachePlan.of(
              config,
              policy,
              options.precision(),
              options.rope(),
              options.promptTokens(),
              tokens.length - 1L);
      Reading reading =
          new Reading(tokens, new Sequence(model, new SequenceCache(plan, policy, options.rope())));
      int[] prompt = Arrays.copyOf(tokens, options.promptTokens());
      decoder.prefill(reading.sequence, prompt, () -> false);
      all.add(reading);
      if (reading.score(decoder.logits(), 0, config.vocabSize())) {
        open.add(reading);
      }
    }
    Sequence[] batch = new Sequence[open.size()];
    while (!open.isEmpty()) {
      for (int i = 0; i < open.size(); i++) {
        batch[i] = open.get(i).sequence;
        batch[i].reserve();
      }
      decoder.step(batch, open.size());
      for (int i = open.size() - 1; i >= 0; i--) {
        int at = i * decoder.logitsRow();
        if (!open.get(i).score(decoder.logits(), at, config.vocabSize())) {
          open.remove(i);
        }
      }
    }
    return all;
  }

  private static CachePerplexity summary(
      List<Reading> readings, ScoringOptions options, double seconds) {
    double loss = 0;
    long predictions = 0;
    long bytes = 0;
    double mean = 0;
    for (Reading reading : readings) {
      loss += reading.loss;
      predictions += reading.predictions;
      bytes = Math.max(bytes, reading.sequence.cache().residentBytes());
      mean += reading.loss / reading.predictions / readings.size();
    }
    double squares = 0;
    for (Reading reading : readings) {
      squares += Math.pow(reading.loss / reading.predictions - mean, 2);
    }
    int n = readings.size();
    return new CachePerplexity(
        options.policy().toString(),
        Math.exp(loss / predictions),
        loss / predictions,
        n < 2 ? Double.NaN : Math.sqrt(squares / (n - 1) / n),
        n,
        predictions,
        predictions / seconds,
        bytes);
  }
}
