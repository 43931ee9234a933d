package org.sinklora.h2o;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;

/**
 * Generates text from a model, and from adapters over it, on the model's device.
 *
 * <p>On the CPU the weights are packed once for decoding; the model and the adapters given to it
 * may be closed afterwards. On a GPU the base weights are read where the model has them: it must
 * stay open. Used by one thread at a time, its batches included.
 */
public final class Generator implements AutoCloseable {
  private final CausalLm base;
  private final Tokenizer tokenizer;
  private final int maxBatch;
  private final int maxPromptTokens;
  private final DecodeEngine engine;
  private final ServedModel baseModel;
  private final Map<String, ServedModel> adapters = new LinkedHashMap<>();
  private final PrefixCache prefixes;

  private Generator(Builder options) {
    this.base = options.base;
    this.tokenizer = options.tokenizer;
    this.maxBatch = options.maxBatch;
    this.maxPromptTokens = options.maxPromptTokens;
    this.prefixes = new PrefixCache(options.prefixCacheBytes);
    this.engine = options.engine();
    try {
      this.baseModel = engine.model(base);
      options.adapters.forEach(this::addAdapter);
    } catch (RuntimeException | Error e) {
      engine.close();
      throw e;
    }
  }

  /**
   * @param base a model on a {@link CpuDevice} or a {@link CudaDevice}, without or with an adapter,
   *     which then is part of what the generator calls the base
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
    ServedModel model = engine.model(base.withAdapter(adapter));
    removeAdapter(name);
    adapters.put(name, model);
  }

  /**
   * Forgets an adapter; sequences that use it go on.
   *
   * @return whether there was one
   */
  public boolean removeAdapter(String name) {
    ServedModel removed = adapters.remove(name);
    if (removed == null) {
      return false;
    }
    prefixes.remove(removed);
    engine.release(removed);
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
    return engine.plannedBytes(
        new CacheSpec(
            request.policy().resolve(prompt),
            request.precision(),
            request.rope(),
            prompt,
            SequenceStart.totalTokens(request)));
  }

  /**
   * What speaks against a request that will be served all the same: a prompt longer than the
   * context the model was trained for. The result says so too, of the answer as well.
   *
   * @return one line with both lengths and what to do; null if there is nothing to say
   */
  public String warning(GenerationRequest request) {
    return ContextWarning.ofPrompt(request, base.config().contextLength());
  }

  /** Bytes of the base weights as decoding reads them. */
  public long weightBytes() {
    return engine.weightBytes();
  }

  int maxPromptTokens() {
    return maxPromptTokens;
  }

  Tokenizer tokenizer() {
    return tokenizer;
  }

  DecodeEngine engine() {
    return engine;
  }

  PrefixCache prefixes() {
    return prefixes;
  }

  /**
   * @param adapter a name; empty for the base
   * @throws IllegalArgumentException if there is no such adapter
   */
  ServedModel model(String adapter) {
    if (adapter.isEmpty()) {
      return baseModel;
    }
    ServedModel model = adapters.get(adapter);
    if (model == null) {
      throw new IllegalArgumentException(
          "There is no adapter '%s'; known are %s".formatted(adapter, adapters.keySet()));
    }
    return model;
  }

  /** Ends the generator's threads, and frees its memory on a GPU. */
  @Override
  public void close() {
    engine.close();
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
    private WeightPrecision weights;
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

    /**
     * How the base weights are stored; by default float32 on the CPU, and on a GPU as the model has
     * them.
     */
    public Builder optWeights(WeightPrecision newWeights) {
      weights = newWeights;
      return this;
    }

    /** How adapters are applied; default unmerged. */
    public Builder optAdapterWeights(AdapterWeights newAdapterWeights) {
      adapterWeights = newAdapterWeights;
      return this;
    }

    // A GPU is asked for first: a host that has one need not have what a CpuDevice loads.
    private DecodeEngine engine() {
      if (base.device() instanceof CudaDevice device) {
        if (prefixCacheBytes > 0) {
          throw new IllegalArgumentException(
              "Caches of known prefixes are kept on the CPU only; set prefixCacheBytes to 0 for "
                  + device.name());
        }
        return new CudaEngine(device, base.config(), weights, adapterWeights, maxBatch);
      }
      if (base.device() instanceof CpuDevice device) {
        return new CpuEngine(
            base.config(),
            weights == null ? WeightPrecision.FLOAT32 : weights,
            adapterWeights,
            threads > 0 ? threads : device.threads(),
            maxBatch);
      }
      throw new IllegalArgumentException(
          "Generation runs on a CpuDevice or a CudaDevice; load the model on one of them, not on "
              + base.device().name());
    }

    /**
     * Prepares the weights.
     *
     * @throws IllegalArgumentException if the model is on another device, or an option is not
     *     available on its
     */
    public Generator build() {
      return new Generator(this);
    }
  }
}
