package org.sinklora.h2o;

import java.util.List;
import org.sinklora.lora.ModelConfig;

/** Turns a request into a sequence whose prompt has been read. */
final class SequenceStart {
  private final Generator generator;

  SequenceStart(Generator generator) {
    this.generator = generator;
  }

  static GenerationResult failed(String error) {
    return new GenerationResult(
        new int[0], "", FinishReason.FAILED, error, null, List.of(), 0, 0, 0, null);
  }

  /**
   * Reads the prompt; the logits of its last token are in row 0 of the decoder. The sequence has
   * ended if it was cancelled meanwhile.
   *
   * @throws IllegalArgumentException if the request cannot be served
   * @throws CacheLimitException if the cache ends before the prompt
   */
  ActiveSequence begin(GenerationRequest request) {
    ServedModel model = generator.model(request.adapter());
    check(request, model.config());
    PrefixCache.Hit hit = generator.prefixes().find(model, request);
    CachedSequence sequence = hit == null ? fresh(request, model) : continued(request, model, hit);
    try {
      return read(request, sequence, hit == null ? 0 : hit.tokens());
    } catch (RuntimeException | Error e) {
      sequence.cache().close();
      throw e;
    }
  }

  private ActiveSequence read(GenerationRequest request, CachedSequence sequence, int reused) {
    ActiveSequence active = new ActiveSequence(request, sequence, reused, generator.tokenizer());
    DecodeEngine engine = generator.engine();
    int[] prompt = request.prompt();
    boolean complete =
        reused == 0
            ? engine.prefill(sequence, prompt, request.cancelled())
            : engine.readOn(sequence, prompt, request.cancelled());
    if (!complete) {
      active.cancel();
    } else if (generator.prefixes().isEnabled()) {
      Sequence ours = (Sequence) sequence;
      SequenceCache snapshot = ours.cache().copy(ours.position(), ours.position());
      generator.prefixes().put(ours.model(), request, prompt, snapshot);
    }
    return active;
  }

  private void check(GenerationRequest request, ModelConfig config) {
    int length = request.prompt().length;
    if (length == 0) {
      throw new IllegalArgumentException(
          "The prompt is empty; it needs at least one token, such as the model's BOS");
    }
    if (length > generator.maxPromptTokens()) {
      throw new IllegalArgumentException(
          "The prompt has %d tokens, the limit is %d; shorten it, or raise maxPromptTokens"
              .formatted(length, generator.maxPromptTokens()));
    }
    for (int token : request.prompt()) {
      checkToken(token, config, "The prompt holds");
    }
    for (int token : request.sampling().logitBias().keySet()) {
      checkToken(token, config, "A logit bias is given for");
    }
    if (!request.stopStrings().isEmpty() && generator.tokenizer() == null) {
      throw new IllegalArgumentException(
          "Stop strings need the generator to have a tokenizer; give stop ids instead");
    }
  }

  private static void checkToken(int token, ModelConfig config, String what) {
    if (token < 0 || token >= config.vocabSize()) {
      throw new IllegalArgumentException(
          "%s token %d, but the model's vocabulary is [0, %d); does the tokenizer belong to it?"
              .formatted(what, token, config.vocabSize()));
    }
  }

  /** Tokens that go through the model: the last one that is generated does not. */
  static long totalTokens(GenerationRequest request) {
    return request.prompt().length + request.maxTokens() - 1L;
  }

  private CachedSequence fresh(GenerationRequest request, ServedModel model) {
    int length = request.prompt().length;
    KvCachePolicy policy = request.policy().resolve(length);
    int limit = limit(policy, model.config());
    if (length > limit) {
      throw limitReached(length, limit);
    }
    long tokens = Math.min(totalTokens(request), limit);
    CacheSpec spec = new CacheSpec(policy, request.precision(), request.rope(), length, tokens);
    return generator.engine().newSequence(model, spec, limit);
  }

  private static int limit(KvCachePolicy policy, ModelConfig config) {
    if (policy instanceof FullCache full) {
      return full.limit() == FullCache.MODEL_LIMIT ? config.contextLength() : full.limit();
    }
    return Integer.MAX_VALUE;
  }

  static CacheLimitException limitReached(int tokens, int limit) {
    return new CacheLimitException(
        "Token %d exceeds the full cache's limit of %d tokens; set full:limit=N, or take h2o or streaming, which have none"
            .formatted(tokens, limit));
  }

  private static Sequence continued(
      GenerationRequest request, ServedModel model, PrefixCache.Hit hit) {
    int limit = limit(hit.cache().policy(), model.config());
    if (request.prompt().length > limit) {
      throw limitReached(request.prompt().length, limit);
    }
    long total = Math.min(totalTokens(request), limit);
    SequenceCache cache = hit.cache().copy(hit.tokens(), total);
    Sequence sequence = new Sequence((DecoderModel) model, cache, limit);
    sequence.advance(hit.tokens());
    return sequence;
  }

  /** Keeps the cache of a sequence that has ended, for prompts that continue its text. */
  void keep(ActiveSequence ended) {
    if (!ended.failed() && generator.prefixes().isEnabled()) {
      Sequence sequence = (Sequence) ended.sequence();
      generator.prefixes().put(sequence.model(), ended.request(), ended.read(), sequence.cache());
    }
  }
}
