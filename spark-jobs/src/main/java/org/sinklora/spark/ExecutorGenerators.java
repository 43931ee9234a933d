package org.sinklora.spark;

import java.io.IOException;
import java.util.List;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.h2o.AdapterWeights;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import org.sinklora.h2o.Generator;

/**
 * The generator of this process: its weights are there once, and its tasks take turns with all of
 * its threads. A job with another adapter replaces it.
 */
final class ExecutorGenerators {
  private record Key(ModelSource model, String adapter, int threads) {}

  private static Key current;
  private static Generator generator;

  private ExecutorGenerators() {}

  /**
   * Generates.
   *
   * @param hash of the adapter
   * @param threads 0 for all cores of the host
   * @return one result a request, in their order
   */
  static synchronized List<GenerationResult> generate(
      ModelSource model,
      String hash,
      Broadcast<AdapterFiles> adapter,
      int threads,
      List<GenerationRequest> requests)
      throws IOException {
    Key wanted =
        new Key(model, hash, threads > 0 ? threads : Runtime.getRuntime().availableProcessors());
    if (!wanted.equals(current)) {
      close();
      generator = open(model, adapter.value(), wanted.threads());
      current = wanted;
    }
    return generator.generate(requests);
  }

  private static Generator open(ModelSource model, AdapterFiles adapter, int threads)
      throws IOException {
    DeviceChoice cpu = DeviceChoice.cpu("a task of Spark");
    try (LocalFolder local = new LocalFolder()) {
      adapter.unpack(local.path());
      // Its weights are packed for decoding; the model is not needed any more.
      try (LoadedModel loaded =
          LoadedModel.open(
              model, local.path().toUri().toString(), cpu, threads, SparkSessions.taskStorage())) {
        return Generator.builder(loaded.model())
            .optTokenizer(ExecutorTokenizers.of(model))
            .optAdapterWeights(AdapterWeights.MERGED)
            .optThreads(threads)
            .optMaxBatch(OutputRows.TOGETHER)
            .build();
      }
    }
  }

  private static void close() {
    if (generator != null) {
      generator.close();
      generator = null;
      current = null;
    }
  }
}
