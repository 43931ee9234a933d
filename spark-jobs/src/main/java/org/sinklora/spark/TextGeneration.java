package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalInt;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.AdapterWeights;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.FinishReason;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import org.sinklora.h2o.Generator;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.WeightPrecision;

/** A model with or without an adapter, ready to continue texts. */
final class TextGeneration implements AutoCloseable {
  private final Tokenizer tokenizer;
  private final Generator generator;
  private final ModelSource source;

  /** What the generator reads its weights from; null where it has its own. */
  private final LoadedModel loaded;

  private TextGeneration(
      ModelSource source, Tokenizer tokenizer, Generator generator, LoadedModel loaded) {
    this.source = source;
    this.tokenizer = tokenizer;
    this.generator = generator;
    this.loaded = loaded;
  }

  /**
   * @param source with the context to run under
   * @param adapter its folder; null without
   * @param weights how they are stored; null for the device's own way
   */
  static TextGeneration open(
      ModelSource source,
      String adapter,
      WeightPrecision weights,
      DeviceChoice choice,
      int threads,
      Storage storage)
      throws IOException {
    Path folder = source.folder(storage);
    Tokenizer tokenizer = Tokenizer.load(folder);
    ModelFit.check(tokenizer, source);
    LoadedModel loaded = LoadedModel.open(source, adapter, choice, threads, storage);
    boolean needed = false;
    try {
      Generator.Builder builder =
          Generator.builder(loaded.model())
              .optTokenizer(tokenizer)
              .optAdapterWeights(AdapterWeights.MERGED)
              .optThreads(threads)
              .optMaxBatch(1);
      if (weights != null) {
        builder.optWeights(weights);
      }
      Generator generator = builder.build();
      // On the CPU it has packed the weights it needs: model and adapter are let go of.
      needed = choice.isGpu();
      return new TextGeneration(source, tokenizer, generator, needed ? loaded : null);
    } finally {
      if (!needed) {
        loaded.close();
      }
    }
  }

  /** BOS, if the model has one, and the tokens of the text. */
  int[] prompt(String text) {
    return prompt(tokenizer, text);
  }

  /** The same with any tokenizer. */
  static int[] prompt(Tokenizer tokenizer, String text) {
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
    if (loaded != null) {
      loaded.close();
    }
    tokenizer.close();
  }
}
