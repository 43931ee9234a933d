package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.lora.StepResult;

/** All that a run tells of its steps while it goes on. */
final class TrainingReports implements AutoCloseable {
  private static final boolean SPARK = ClassPath.hasSpark();

  private final MetricsLog metrics;
  private final TensorBoardLog events;
  private final Progress progress;

  /**
   * @param first steps that an earlier part of the run did
   * @param last steps of the whole run
   */
  TrainingReports(Storage storage, TrainTarget target, long first, long last) throws IOException {
    metrics = new MetricsLog(storage, target.metrics(), first);
    try {
      events = new TensorBoardLog(storage, target.tensorBoard(), first);
    } catch (IOException | RuntimeException e) {
      metrics.close();
      throw e;
    }
    progress = new Progress("Training", "steps", last, first);
  }

  /**
   * @param tokens of the step, with and without loss
   * @param memoryBytes of the largest process
   * @param round that ends with the step; null if none does, or nothing is distributed
   */
  void add(StepResult step, long tokens, double tokensPerSecond, long memoryBytes, RoundCost round)
      throws IOException {
    metrics.add(step, tokens, tokensPerSecond, memoryBytes, round);
    events.add(step, tokensPerSecond, memoryBytes);
    if (SPARK) {
      RunMetrics.step(step, tokens, tokensPerSecond, memoryBytes);
    }
    progress.update(step.step(), note(step, tokensPerSecond, memoryBytes));
  }

  private static String note(StepResult step, double tokensPerSecond, long memory) {
    return "loss %.4f, lr %.2g, grad norm %.3f, %,.0f tokens/s, %,d MiB"
        .formatted(
            step.loss(), step.learningRate(), step.gradNorm(), tokensPerSecond, memory >> 20);
  }

  @Override
  public void close() throws IOException {
    try (metrics;
        events;
        progress) {
      // Closed one after the other, whatever the others do.
    }
  }
}
