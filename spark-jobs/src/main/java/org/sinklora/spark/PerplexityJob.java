package org.sinklora.spark;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.LongAccumulator;
import org.sinklora.lora.Perplexity;
import org.sinklora.lora.WindowLoss;

/** Evaluates windows of several lengths as one Spark job. */
final class PerplexityJob implements WindowEvaluation {
  private final JavaSparkContext spark;
  private final ModelSource model;
  private final AdapterFiles adapter;
  private final int tail;

  /**
   * @param adapter its files; null for the base model
   * @param tail how many predictions of each window count, the last ones
   */
  PerplexityJob(JavaSparkContext spark, ModelSource model, AdapterFiles adapter, int tail) {
    this.spark = spark;
    this.model = model;
    this.adapter = adapter;
    this.tail = tail;
  }

  @Override
  public Map<Integer, Perplexity> run(int[] tokens, Map<Integer, int[]> starts) {
    List<Window> windows = Window.all(starts);
    long total = windows.stream().mapToLong(Window::length).sum();
    TaskThreads threads = TaskThreads.plan(spark, windows.size(), 0, 0);
    EvaluationWorker.Key key =
        new EvaluationWorker.Key(model, adapter == null ? null : adapter.hash(), threads.threads());
    Broadcast<AdapterFiles> files = adapter == null ? null : spark.broadcast(adapter);
    Broadcast<int[]> stream = spark.broadcast(tokens);
    LongAccumulator done = spark.sc().longAccumulator();
    int counted = tail;
    String text =
        "Perplexity at %s tokens"
            .formatted(
                starts.keySet().stream()
                    .sorted()
                    .map("%,d"::formatted)
                    .collect(Collectors.joining(", ")));
    // One window a task: tasks are then of equal size and the progress is seen.
    List<Loss> losses;
    try (JobDescription description = JobDescription.of(text)) {
      var job =
          spark
              .parallelize(windows, windows.size())
              .map(
                  window -> {
                    int[] ids =
                        Arrays.copyOfRange(
                            stream.value(), window.start(), window.start() + window.length());
                    WindowLoss loss =
                        TaskWorkers.with(
                            key,
                            () -> EvaluationWorker.create(key, files),
                            (EvaluationWorker worker) -> worker.evaluate(ids, counted));
                    done.add(window.length());
                    return new Loss(window, loss);
                  })
              .collectAsync();
      losses = Waiting.on(job, "Evaluating", "tokens", total, done);
    }
    stream.destroy();
    if (files != null) {
      files.destroy();
    }
    TaskWorkers.closeIdle();
    Map<Integer, Perplexity> found = Loss.summary(losses);
    found.forEach((length, perplexity) -> RunMetrics.perplexity(length, perplexity.value()));
    return found;
  }
}
