package org.sinklora.spark;

import java.util.List;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.RopePositions;
import org.sinklora.h2o.Sampling;
import org.sinklora.h2o.WeightPrecision;
import picocli.CommandLine.Option;

/** How {@code generate} chooses tokens and what its cache keeps. */
final class GenerateOptions {
  @Option(
      names = "--kv",
      paramLabel = "POLICY",
      defaultValue = "full",
      description =
          "What the KV cache keeps: full, h2o:heavy=0.1,recent=0.1,"
              + " streaming:sinks=4,recent=1024 or snapkv:budget=512,window=32; sizes with a decimal"
              + " point are shares of the prompt. Default: ${DEFAULT-VALUE}.")
  private String policy;

  @Option(
      names = "--kv-precision",
      defaultValue = "float32",
      description = "How keys and values are stored: ${COMPLETION-CANDIDATES}.")
  private CachePrecision cachePrecision;

  @Option(
      names = "--positions",
      defaultValue = "original",
      description =
          "Positions of cached keys: original, or cache for places in the cache, which goes on past"
              + " the trained length.")
  private RopePositions positions;

  @Option(
      names = "--weights",
      description =
          "How weights are stored: ${COMPLETION-CANDIDATES}. Default: float32, on a GPU as"
              + " --precision says.")
  private WeightPrecision weights;

  @Option(
      names = "--max-tokens",
      defaultValue = "256",
      description = "The most tokens to generate. Default: ${DEFAULT-VALUE}.")
  private int maxTokens;

  @Option(
      names = "--temperature",
      defaultValue = "0",
      description = "0 takes the most probable token always. Default: ${DEFAULT-VALUE}.")
  private double temperature;

  @Option(
      names = "--top-k",
      defaultValue = "0",
      description = "Choose among this many; 0: all. Default: ${DEFAULT-VALUE}.")
  private int topK;

  @Option(
      names = "--top-p",
      defaultValue = "1",
      description = "Choose among the fewest that hold this probability. Default: 1.")
  private double topP;

  @Option(
      names = "--repetition-penalty",
      defaultValue = "1",
      description = "Above 1: tokens already in the text become less likely. Default: 1.")
  private double repetitionPenalty;

  @Option(
      names = "--seed",
      defaultValue = "0",
      description = "Decides the draws. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--stop",
      paramLabel = "TEXT",
      description = "Text that ends the answer; may be repeated.")
  private List<String> stopStrings = List.of();

  @Option(names = "--threads", defaultValue = "0", description = "Default: all cores.")
  private int threads;

  KvCachePolicy policy() {
    return KvCachePolicy.parse(policy);
  }

  CachePrecision cachePrecision() {
    return cachePrecision;
  }

  RopePositions positions() {
    return positions;
  }

  WeightPrecision weights() {
    return weights;
  }

  int maxTokens() {
    return maxTokens;
  }

  Sampling sampling() {
    return Sampling.of(temperature, topK, topP, seed).withRepetitionPenalty(repetitionPenalty);
  }

  List<String> stopStrings() {
    return stopStrings;
  }

  int threads() {
    return threads > 0 ? threads : Runtime.getRuntime().availableProcessors();
  }
}
