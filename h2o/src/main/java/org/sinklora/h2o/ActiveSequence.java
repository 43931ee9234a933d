package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.sinklora.data.Tokenizer;

/** A request on its way: its sequence, what has been generated, and whether it has ended. */
final class ActiveSequence {
  private final GenerationRequest request;
  private final CachedSequence sequence;
  private final Sampler sampler;
  private final TextStream text;
  private final int vocabulary;
  private final int reusedTokens;
  private final List<GeneratedToken> logprobs = new ArrayList<>();
  private int[] tokens = new int[64];
  private int count;
  private FinishReason finish;
  private String error;

  ActiveSequence(
      GenerationRequest request, CachedSequence sequence, int reusedTokens, Tokenizer tokenizer) {
    this.request = request;
    this.sequence = sequence;
    this.reusedTokens = reusedTokens;
    this.vocabulary = sequence.model().config().vocabSize();
    this.sampler = new Sampler(request.sampling(), vocabulary);
    this.text = new TextStream(tokenizer, request.stopStrings());
    for (int token : request.prompt()) {
      sampler.see(token);
    }
  }

  GenerationRequest request() {
    return request;
  }

  CachedSequence sequence() {
    return sequence;
  }

  boolean ended() {
    return finish != null;
  }

  boolean failed() {
    return finish == FinishReason.FAILED;
  }

  void fail(String what) {
    finish = FinishReason.FAILED;
    error = what;
  }

  void cancel() {
    finish = FinishReason.CANCELLED;
  }

  /** The prompt and what has been fed of the answer: what the cache has read. */
  int[] read() {
    int[] prompt = request.prompt();
    int[] all = Arrays.copyOf(prompt, sequence.position());
    if (all.length > prompt.length) {
      System.arraycopy(tokens, 0, all, prompt.length, all.length - prompt.length);
    }
    return all;
  }

  /** Chooses a token from the logits of the last step and tells the listener. */
  void take(float[] logits, int at) {
    try {
      int token = sampler.next(logits, at);
      if (count == tokens.length) {
        tokens = Arrays.copyOf(tokens, 2 * count);
      }
      tokens[count] = token;
      count++;
      sequence.feed(token);
      boolean stop = request.stopIds().contains(token);
      String piece = stop ? "" : text.add(token);
      if (stop) {
        finish = FinishReason.STOP_ID;
      } else if (text.stopped()) {
        finish = FinishReason.STOP_STRING;
      } else if (count == request.maxTokens()) {
        finish = FinishReason.LENGTH;
      }
      if (finish != null) {
        piece += text.finish();
      }
      if (!request.listener().onToken(generated(token, piece, logits, at)) && finish == null) {
        finish = FinishReason.CANCELLED;
      }
    } catch (ArithmeticException e) {
      fail(
          "Token %d cannot be chosen: %s. The weights of the model or of adapter '%s' hold NaN, or are too large"
              .formatted(count, e.getMessage(), request.adapter()));
    } catch (RuntimeException e) {
      fail("The listener failed at token %d: %s".formatted(count - 1, e));
    }
  }

  private GeneratedToken generated(int token, String piece, float[] logits, int at) {
    if (request.logprobs() < 0) {
      return new GeneratedToken(count - 1, token, piece, Double.NaN, List.of());
    }
    double total = Logprobs.logSumExp(logits, at, vocabulary);
    GeneratedToken generated =
        new GeneratedToken(
            count - 1,
            token,
            piece,
            logits[at + token] - total,
            Logprobs.best(logits, at, vocabulary, request.logprobs(), total));
    logprobs.add(generated);
    return generated;
  }

  private int context() {
    return sequence.model().config().contextLength();
  }

  GenerationResult result() {
    KvCache cache = sequence.cache();
    return new GenerationResult(
        Arrays.copyOf(tokens, count),
        text.text(),
        finish,
        error,
        ContextWarning.of(request, cache, sequence.position(), context()),
        List.copyOf(logprobs),
        reusedTokens,
        cache.plannedBytes(),
        cache.residentBytes(),
        request.explain() ? CacheReport.of(cache, read()) : null);
  }
}
