package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Scores texts as a generation would see them: token by token through the cache, the text's own
 * tokens being fed.
 *
 * @param texts with their losses
 * @param steps tokens that were decoded, of all texts
 * @param seconds that took
 */
record TextScoring(List<ScoredText> texts, long steps, double seconds) {

  /** As many together as the generator's batch has room for. */
  static TextScoring of(
      Generator generator, ServedModel model, List<int[]> documents, ScoringOptions options) {
    List<ScoredText> texts = new ArrayList<>();
    long steps = 0;
    double seconds = 0;
    for (int from = 0; from < documents.size(); from += generator.maxBatch()) {
      int to = Math.min(documents.size(), from + generator.maxBatch());
      TextScoring part = together(generator, model, documents.subList(from, to), options);
      texts.addAll(part.texts);
      steps += part.steps;
      seconds += part.seconds;
    }
    return new TextScoring(texts, steps, seconds);
  }

  private static TextScoring together(
      Generator generator, ServedModel model, List<int[]> documents, ScoringOptions options) {
    List<ScoredText> all = new ArrayList<>();
    try {
      return read(generator.engine(), model, documents, options, all);
    } finally {
      all.forEach(ScoredText::end);
    }
  }

  private static TextScoring read(
      DecodeEngine engine,
      ServedModel model,
      List<int[]> documents,
      ScoringOptions options,
      List<ScoredText> all) {
    int vocabulary = model.config().vocabSize();
    List<ScoredText> open = new ArrayList<>();
    for (int[] tokens : documents) {
      CachedSequence sequence = sequence(engine, model, tokens.length, options);
      ScoredText text = new ScoredText(tokens, sequence, options.promptTokens());
      all.add(text);
      engine.prefill(sequence, Arrays.copyOf(tokens, options.promptTokens()), () -> false);
      if (text.score(engine.logits(), 0, vocabulary)) {
        open.add(text);
      }
    }
    CachedSequence[] batch = new CachedSequence[open.size()];
    long steps = 0;
    long start = System.nanoTime();
    while (!open.isEmpty()) {
      for (int i = 0; i < open.size(); i++) {
        batch[i] = open.get(i).sequence();
        batch[i].reserve();
      }
      engine.step(batch, open.size());
      steps += open.size();
      for (int i = open.size() - 1; i >= 0; i--) {
        if (!open.get(i).score(engine.logits(), i * engine.logitsRow(), vocabulary)) {
          open.remove(i);
        }
      }
    }
    return new TextScoring(all, steps, (System.nanoTime() - start) * 1e-9);
  }

  private static CachedSequence sequence(
      DecodeEngine engine, ServedModel model, int length, ScoringOptions options) {
    if (length <= options.promptTokens()) {
      throw new IllegalArgumentException(
          "A document of %d tokens has nothing to predict behind a prompt of %d"
              .formatted(length, options.promptTokens()));
    }
    CacheSpec spec =
        new CacheSpec(
            options.policy().resolve(length),
            options.precision(),
            options.rope(),
            options.promptTokens(),
            length - 1L);
    return engine.newSequence(model, spec, Integer.MAX_VALUE);
  }

  double tokensPerSecond() {
    return steps / seconds;
  }

  /** Bytes of a text's cache at its end, the largest. */
  long cacheBytes() {
    return texts.stream().mapToLong(ScoredText::cacheBytes).max().orElse(0);
  }
}
