package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.apache.hadoop.conf.Configuration;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.AdapterWeights;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.FinishReason;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import org.sinklora.h2o.Generator;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.WeightPrecision;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;

/** A model with or without an adapter, ready to continue texts. */
final class TextGeneration implements AutoCloseable {
  private final Tokenizer tokenizer;
  private final Generator generator;
  private final ModelSource source;

  private TextGeneration(ModelSource source, Tokenizer tokenizer, Generator generator) {
    this.source = source;
    this.tokenizer = tokenizer;
    this.generator = generator;
  }

  /**
   * @param source with the context to run under
   * @param adapter its folder; null without
   */
  static TextGeneration open(
      ModelSource source,
      String adapter,
      WeightPrecision weights,
      int threads,
      Configuration hadoop)
      throws IOException {
    Path folder = source.folder(hadoop);
    Tokenizer tokenizer = Tokenizer.load(folder);
    ModelFit.check(tokenizer, source);
    // The generator packs the weights it needs: model and adapter are let go of afterwards.
    try (CpuDevice device = new CpuDevice(threads);
        CausalLm base = CausalLm.load(folder, source.config(), device);
        LoraAdapter loaded = AdapterFolder.load(adapter, base, hadoop)) {
      Generator generator =
          Generator.builder(loaded == null ? base : base.withAdapter(loaded))
              .optTokenizer(tokenizer)
              .optAdapterWeights(AdapterWeights.MERGED)
              .optWeights(weights)
              .optThreads(threads)
              .optMaxBatch(1)
              .build();
      return new TextGeneration(source, tokenizer, generator);
    }
  }

  /** BOS, if the model has one, and the tokens of the text. */
  int[] prompt(String text) {
    int[] ids = tokenizer.encode(text);
    OptionalInt bos = tokenizer.bosId();
    if (ids.length == 0 && bos.isEmpty()) {
      throw new UserException("The prompt is empty, and the model has no token to begin with");
    }
    int first = bos.isPresent() ? 1 : 0;
    int[] prompt = new int[first + ids.length];
    bos.ifPresent(id -> prompt[0] = id);
    System.arraycopy(ids, 0, prompt, first, ids.length);
    return prompt;
  }

  /** A request that ends at the model's end of text. */
  GenerationRequest.Builder request(int... prompt) {
    return GenerationRequest.builder(prompt).optStopIds(source.config().eosTokenIds());
  }

  /**
   * Generates.
   *
   * @throws UserException if it fails
   */
  GenerationResult run(GenerationRequest request) {
    GenerationResult result = generator.generate(request);
    if (result.finish() == FinishReason.FAILED) {
      throw new UserException(result.error());
    }
    return result;
  }

  /** What speaks against a request, in one line; null if nothing does. */
  String warning(GenerationRequest request) {
    return generator.warning(request);
  }

  /** Bytes that a full cache takes for the same tokens. */
  long fullCacheBytes(int[] prompt, int generated, CachePrecision precision) {
    GenerationRequest full =
        GenerationRequest.builder(prompt)
            .optPolicy(KvCachePolicy.full())
            .optCachePrecision(precision)
            .optMaxTokens(generated)
            .build();
    return generator.plannedCacheBytes(full);
  }

  /** The text of each token by itself. */
  List<String> pieces(int... tokens) {
    return Arrays.stream(tokens).mapToObj(token -> tokenizer.decode(new int[] {token})).toList();
  }

  @Override
  public void close() {
    generator.close();
    tokenizer.close();
  }
}
