package org.sinklora.spark;

import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.UUID;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.util.LongAccumulator;
import org.sinklora.lora.Perplexity;
import org.sinklora.lora.WindowLoss;

/** Evaluates windows of several lengths as one Spark job. */
final class PerplexityJob {
  /** A window: tokens of the stream. */
  private record Window(int length, int order, int start) implements Serializable {}

  /** What a window gave. */
  private record Loss(Window window, WindowLoss loss) implements Serializable {}

  private final JavaSparkContext spark;
  private final ModelSource model;
  private final String adapter;
  private final int tail;

  /**
   * @param adapter folder; null for the base model
   * @param tail how many predictions of each window count, the last ones
   */
  PerplexityJob(JavaSparkContext spark, ModelSource model, String adapter, int tail) {
    this.spark = spark;
    this.model = model;
    this.adapter = adapter;
    this.tail = tail;
  }

  /**
   * The perplexity by length.
   *
   * @param tokens one behind the other
   * @param starts where the windows of each length begin in them
   */
  Map<Integer, Perplexity> run(int[] tokens, Map<Integer, int[]> starts) {
    List<Window> windows = new ArrayList<>();
    starts.forEach(
        (length, positions) -> {
          for (int i = 0; i < positions.length; i++) {
            windows.add(new Window(length, i, positions[i]));
          }
        });
    // The longest first: what is left at the end is then short.
    windows.sort(Comparator.comparingInt(Window::length).reversed());
    long total = windows.stream().mapToLong(Window::length).sum();
    TaskThreads threads = TaskThreads.plan(spark, windows.size(), 0, 0);
    EvaluationWorker.Key key =
        new EvaluationWorker.Key(model, adapter, UUID.randomUUID().toString(), threads.threads());
    Broadcast<int[]> stream = spark.broadcast(tokens);
    LongAccumulator done = spark.sc().longAccumulator();
    int counted = tail;
    // One window a task: tasks are then of equal size and the progress is seen.
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
                          () -> EvaluationWorker.create(key),
                          (EvaluationWorker worker) -> worker.evaluate(ids, counted));
                  done.add(window.length());
                  return new Loss(window, loss);
                })
            .collectAsync();
    List<Loss> losses = Waiting.on(job, "Evaluating", "tokens", total, done);
    stream.destroy();
    TaskWorkers.closeIdle();
    return summary(losses);
  }

  private static Map<Integer, Perplexity> summary(List<Loss> losses) {
    Map<Integer, List<Loss>> byLength = new TreeMap<>();
    losses.forEach(
        loss -> byLength.computeIfAbsent(loss.window().length(), l -> new ArrayList<>()).add(loss));
    Map<Integer, Perplexity> result = new TreeMap<>();
    byLength.forEach(
        (length, all) ->
            result.put(
                length,
                Perplexity.of(
                    all.stream()
                        .sorted(Comparator.comparingInt(loss -> loss.window().order()))
                        .map(Loss::loss)
                        .toList())));
    return result;
  }
}
