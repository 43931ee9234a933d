package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.FinishReason;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.Sampling;

/**
 * How texts go on.
 *
 * @param model with the adapter's context
 * @param hash of the adapter
 * @param threads of an executor; 0 for all cores of its host
 * @param settings how tokens are chosen
 */
record RowGeneration(
    ModelSource model, Broadcast<AdapterFiles> adapter, String hash, int threads, Settings settings)
    implements RowOutput {

  /** See {@link SinkLoraOutputParams}. */
  record Settings(int maxNewTokens, String kv, double temperature, double topP, long seed)
      implements java.io.Serializable {}

  @Override
  public int[] tokens(Tokenizer tokenizer, String text) {
    return TextGeneration.prompt(tokenizer, text);
  }

  @Override
  public List<Object> of(List<int[]> rows) throws IOException {
    List<GenerationRequest> requests = new ArrayList<>();
    for (int[] row : rows) {
      requests.add(request(row));
    }
    List<Object> texts = new ArrayList<>();
    for (GenerationResult result :
        ExecutorGenerators.generate(model, hash, adapter, threads, requests)) {
      if (result.finish() == FinishReason.FAILED) {
        throw new UserException(result.error());
      }
      texts.add(result.text());
    }
    return texts;
  }

  private GenerationRequest request(int[] prompt) {
    return GenerationRequest.builder(
            cut(prompt, model.config().contextLength() - settings.maxNewTokens()))
        .optStopIds(model.config().eosTokenIds())
        .optPolicy(KvCachePolicy.parse(settings.kv()))
        .optMaxTokens(settings.maxNewTokens())
        .optSampling(Sampling.of(settings.temperature(), 0, settings.topP(), settings.seed()))
        .build();
  }

  /** The first token, which is what the model begins texts with, and the last ones. */
  static int[] cut(int[] prompt, int limit) {
    if (prompt.length <= limit) {
      return prompt;
    }
    int[] shorter = new int[limit];
    shorter[0] = prompt[0];
    System.arraycopy(prompt, prompt.length - limit + 1, shorter, 1, limit - 1);
    return shorter;
  }
}
