package org.sinklora.h2o;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;

/**
 * Generates text from a model, and from adapters over it, on the CPU.
 *
 * <p>The weights are packed once for decoding; the model and the adapters given to it may be closed
 * afterwards. Used by one thread at a time, its batches included.
 */
public final class Generator implements AutoCloseable {
  private final CausalLm base;
  private final Tokenizer tokenizer;
  private final AdapterWeights adapterWeights;
  private final int maxBatch;
  private final int maxPromptTokens;
  private final WeightStore store;
  private final DecoderModel baseModel;
  private final Map<String, DecoderModel> adapters = new LinkedHashMap<>();
  private final PrefixCache prefixes;
  private final Decoder decoder;

  private Generator(Builder options) {
    this.base = options.base;
    this.tokenizer = options.tokenizer;
    this.adapterWeights = options.adapterWeights;
    this.maxBatch = options.maxBatch;
    this.maxPromptTokens = options.maxPromptTokens;
    this.store = new WeightStore(options.weights);
    this.baseModel = DecoderModel.of(base, store, adapterWeights);
    this.prefixes = new PrefixCache(options.prefixCacheBytes);
    options.adapters.forEach(this::addAdapter);
    this.decoder = new Decoder(baseModel.shape(), options.threads(), maxBatch);
  }

  /**
   * @param base a model on a {@link CpuDevice}, without or with an adapter, which then is part of
   *     what the generator calls the base
   */
  public static Builder builder(CausalLm base) {
    return new Builder(base);
  }

  /**
   * Makes an adapter known, in place of an earlier one of that name. The base model must still be
   * open.
   */
  public void addAdapter(String name, LoraAdapter adapter) {
    if (name.isEmpty()) {
      throw new IllegalArgumentException("An adapter needs a name; the empty one is the base");
    }
    DecoderModel model = DecoderModel.of(base.withAdapter(adapter), store, adapterWeights);
    removeAdapter(name);
    adapters.put(name, model);
  }

  /**
   * Forgets an adapter; sequences that use it go on.
   *
   * @return whether there was one
   */
  public boolean removeAdapter(String name) {
    DecoderModel removed = adapters.remove(name);
    if (removed == null) {
      return false;
    }
    prefixes.remove(removed);
    return true;
  }

  /** Generates one sequence. What goes wrong is in the result. */
  public GenerationResult generate(GenerationRequest request) {
    return generate(List.of(request)).get(0);
  }

  /**
   * Generates all sequences, {@link #maxBatch} at a time together. A sequence that fails does not
   * disturb the others.
   *
   * @return one result a request, in their order
   */
  public List<GenerationResult> generate(List<GenerationRequest> requests) {
    return new GenerationBatch(this).runAll(requests);
  }

  /** An empty batch, for callers that add requests while others are under way. */
  public GenerationBatch newBatch() {
    return new GenerationBatch(this);
  }

  /** Sequences that decode together, at most. */
  public int maxBatch() {
    return maxBatch;
  }

  /** Names of the adapters. */
  public List<String> adapters() {
    return List.copyOf(adapters.keySet());
  }

  /** Bytes that the KV cache of a request will take once all its tokens are there. */
  public long plannedCacheBytes(GenerationRequest request) {
    int prompt = request.prompt().length;
    return CachePlan.of(
            base.config(),
            request.policy().resolve(prompt),
            request.precision(),
            request.rope(),
            prompt,
            SequenceStart.totalTokens(request))
        .bytes();
  }

  /**
   * What speaks against a request that will be served all the same: a prompt longer than the
   * context the model was trained for. The result says so too, of the answer as well.
   *
   * @return one line with both lengths and what to do; null if there is nothing to say
   */
  public String warning(GenerationRequest request) {
    return ContextWarning.ofPrompt(request, base.config().maxPositionEmbeddings());
  }

  /** Bytes of the packed base weights. */
  public long weightBytes() {
    return store.bytes();
  }

  int maxPromptTokens() {
    return maxPromptTokens;
  }

  Tokenizer tokenizer() {
    return tokenizer;
  }

  Decoder decoder() {
    return decoder;
  }

  PrefixCache prefixes() {
    return prefixes;
  }

  /**
   * @param adapter a name; empty for the base
   * @throws IllegalArgumentException if there is no such adapter
   */
  DecoderModel model(String adapter) {
    if (adapter.isEmpty()) {
      return baseModel;
    }
    DecoderModel model = adapters.get(adapter);
    if (model == null) {
      throw new IllegalArgumentException(
          "There is no adapter '%s'; known are %s".formatted(adapter, adapters.keySet()));
    }
    return model;
  }

  /** Ends the generator's threads. */
  @Override
  public void close() {
    decoder.close();
  }

  /** Sets what a generator may be given besides its model. */
  public static final class Builder {
    private final CausalLm base;
    private final Map<String, LoraAdapter> adapters = new LinkedHashMap<>();
    private Tokenizer tokenizer;
    private int threads;
    private int maxBatch = 16;
    private int maxPromptTokens = 1 << 20;
    private long prefixCacheBytes;
    private WeightPrecision weights = WeightPrecision.FLOAT32;
    private AdapterWeights adapterWeights = AdapterWeights.UNMERGED;

    private Builder(CausalLm base) {
      this.base = base;
    }

    /** An adapter under a name; none by default. */
    public Builder optAdapter(String name, LoraAdapter adapter) {
      adapters.put(name, adapter);
      return this;
    }

    /** Makes text of tokens; without, results and events have none. Stays the caller's to close. */
    public Builder optTokenizer(Tokenizer newTokenizer) {
      tokenizer = newTokenizer;
      return this;
    }

    /** Threads that share the work; by default as many as the model's device has. */
    public Builder optThreads(int newThreads) {
      threads = newThreads;
      return this;
    }

    /** Sequences that decode together, at most; default 16. */
    public Builder optMaxBatch(int newMaxBatch) {
      if (newMaxBatch < 1) {
        throw new IllegalArgumentException(
            "A batch has room for %d sequences; expected at least 1".formatted(newMaxBatch));
      }
      maxBatch = newMaxBatch;
      return this;
    }

    /** The longest prompt that is accepted, in tokens; default 1,048,576. */
    public Builder optMaxPromptTokens(int newMaxPromptTokens) {
      maxPromptTokens = newMaxPromptTokens;
      return this;
    }

    /**
     * Bytes of caches that are kept after their prompts have been read, so that a prompt which
     * begins with one of them continues from there; default 0, which keeps none.
     */
    public Builder optPrefixCacheBytes(long newPrefixCacheBytes) {
      prefixCacheBytes = newPrefixCacheBytes;
      return this;
    }

    /** How the base weights are stored; default float32. */
    public Builder optWeights(WeightPrecision newWeights) {
      weights = newWeights;
      return this;
    }

    /** How adapters are applied; default unmerged. */
    public Builder optAdapterWeights(AdapterWeights newAdapterWeights) {
      adapterWeights = newAdapterWeights;
      return this;
    }

    private int threads() {
      return threads > 0 ? threads : ((CpuDevice) base.device()).threads();
    }

    /**
     * Packs the weights.
     *
     * @throws IllegalArgumentException if the model is not on the CPU
     */
    public Generator build() {
      return new Generator(this);
    }
  }
}
