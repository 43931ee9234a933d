package org.sinklora.h2o;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;

/** One sequence to generate: prompt, cache and how to choose tokens. Immutable. */
public final class GenerationRequest {
  /** Alternatives a token may be reported with. */
  public static final int MAX_LOGPROBS = 100;

  private final Builder options;
  private final int[] prompt;

  private GenerationRequest(Builder options) {
    this.options = options.copy();
    this.prompt = options.prompt.clone();
  }

  /**
   * @param prompt token ids, at least one; a BOS is not added
   */
  public static Builder builder(int... prompt) {
    return new Builder(prompt);
  }

  int[] prompt() {
    return prompt;
  }

  KvCachePolicy policy() {
    return options.policy;
  }

  CachePrecision precision() {
    return options.precision;
  }

  RopePositions rope() {
    return options.rope;
  }

  String adapter() {
    return options.adapter;
  }

  int maxTokens() {
    return options.maxTokens;
  }

  Sampling sampling() {
    return options.sampling;
  }

  Set<Integer> stopIds() {
    return options.stopIds;
  }

  List<String> stopStrings() {
    return options.stopStrings;
  }

  int logprobs() {
    return options.logprobs;
  }

  boolean explain() {
    return options.explain;
  }

  TokenListener listener() {
    return options.listener;
  }

  BooleanSupplier cancelled() {
    return options.cancelled;
  }

  /** Sets what a request may say besides its prompt. */
  public static final class Builder {
    private final int[] prompt;
    private KvCachePolicy policy = KvCachePolicy.full();
    private CachePrecision precision = CachePrecision.FLOAT32;
    private RopePositions rope = RopePositions.ORIGINAL;
    private String adapter = "";
    private int maxTokens = 256;
    private Sampling sampling = Sampling.greedy();
    private Set<Integer> stopIds = Set.of();
    private List<String> stopStrings = List.of();
    private int logprobs = -1;
    private boolean explain;
    private TokenListener listener = token -> true;
    private BooleanSupplier cancelled = () -> false;

    private Builder(int[] prompt) {
      this.prompt = prompt;
    }

    private Builder copy() {
      Builder copy = new Builder(prompt);
      copy.policy = policy;
      copy.precision = precision;
      copy.rope = rope;
      copy.adapter = adapter;
      copy.maxTokens = maxTokens;
      copy.sampling = sampling;
      copy.stopIds = stopIds;
      copy.stopStrings = stopStrings;
      copy.logprobs = logprobs;
      copy.explain = explain;
      copy.listener = listener;
      copy.cancelled = cancelled;
      return copy;
    }

    /** The cache's policy; default {@code full}. */
    public Builder optPolicy(KvCachePolicy newPolicy) {
      policy = newPolicy;
      return this;
    }

    /** How keys and values are stored; default float32. */
    public Builder optCachePrecision(CachePrecision newPrecision) {
      precision = newPrecision;
      return this;
    }

    /** Which position a key is rotated to; default the original one. */
    public Builder optRopePositions(RopePositions newRope) {
      rope = newRope;
      return this;
    }

    /** The adapter, under the name the generator knows it by; default none. */
    public Builder optAdapter(String name) {
      adapter = name;
      return this;
    }

    /** The most tokens to generate, from 1; default 256. */
    public Builder optMaxTokens(int newMaxTokens) {
      if (newMaxTokens < 1) {
        throw new IllegalArgumentException(
            "The most tokens to generate are %d; expected at least 1".formatted(newMaxTokens));
      }
      maxTokens = newMaxTokens;
      return this;
    }

    /** How tokens are chosen; default greedy. */
    public Builder optSampling(Sampling newSampling) {
      sampling = newSampling;
      return this;
    }

    /** Tokens that end the answer; default none, not even the model's EOS. */
    public Builder optStopIds(Iterable<Integer> ids) {
      Set<Integer> copy = new TreeSet<>();
      ids.forEach(copy::add);
      stopIds = copy;
      return this;
    }

    /** Texts that end the answer and are cut off it; they need the generator's tokenizer. */
    public Builder optStopStrings(List<String> strings) {
      for (String string : strings) {
        if (string.isEmpty()) {
          throw new IllegalArgumentException("An empty stop string would stop at once");
        }
      }
      stopStrings = new ArrayList<>(strings);
      return this;
    }

    /**
     * Reports the log-probability of every token.
     *
     * @param alternatives how many of the most probable tokens to report with it, from 0 to {@link
     *     #MAX_LOGPROBS}
     */
    public Builder optLogprobs(int alternatives) {
      if (alternatives < 0 || alternatives > MAX_LOGPROBS) {
        throw new IllegalArgumentException(
            "%d alternatives to report; expected 0 to %d".formatted(alternatives, MAX_LOGPROBS));
      }
      logprobs = alternatives;
      return this;
    }

    /** Reports at the end which positions the cache held, with their scores. */
    public Builder optExplain(boolean newExplain) {
      explain = newExplain;
      return this;
    }

    /** Is told of every token. */
    public Builder optListener(TokenListener newListener) {
      listener = newListener;
      return this;
    }

    /** Asked between steps, also within a long prompt, whether to stop. */
    public Builder optCancelled(BooleanSupplier newCancelled) {
      cancelled = newCancelled;
      return this;
    }

    public GenerationRequest build() {
      return new GenerationRequest(this);
    }
  }
}
