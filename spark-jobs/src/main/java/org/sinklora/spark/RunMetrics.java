package org.sinklora.spark;

import com.codahale.metrics.Counter;
import com.codahale.metrics.Gauge;
import com.codahale.metrics.MetricRegistry;
import java.util.function.ToDoubleFunction;
import org.sinklora.lora.StepResult;

/**
 * The figures of this process's training and evaluation, as Spark's sinks see them. {@link
 * MetricsPlugin} connects them; without it nobody listens.
 */
final class RunMetrics {
  private static volatile RunMetrics connected;

  private final MetricRegistry registry;
  private final Counter steps;
  private final Counter tokens;
  private volatile Step last = new Step(0, Double.NaN, Double.NaN, Double.NaN, Double.NaN, 0);

  /** What the gauges show; read as one. */
  private record Step(
      long number,
      double loss,
      double learningRate,
      double gradNorm,
      double tokensPerSecond,
      long memoryBytes) {}

  private RunMetrics(MetricRegistry registry) {
    this.registry = registry;
    steps = registry.counter("training.steps");
    tokens = registry.counter("training.tokens");
    gauge("training.step", Step::number);
    gauge("training.loss", Step::loss);
    gauge("training.learning_rate", Step::learningRate);
    gauge("training.grad_norm", Step::gradNorm);
    gauge("training.tokens_per_second", Step::tokensPerSecond);
    gauge("training.memory_bytes", Step::memoryBytes);
  }

  private void gauge(String name, ToDoubleFunction<Step> value) {
    registry.gauge(name, () -> (Gauge<Double>) () -> value.applyAsDouble(last));
  }

  /** From now on the figures go to this registry. */
  static void connect(MetricRegistry registry) {
    connected = new RunMetrics(registry);
  }

  /** The registry keeps its last figures, so that a last report has them. */
  static void disconnect(MetricRegistry registry) {
    RunMetrics current = connected;
    if (current != null && current.registry == registry) {
      connected = null;
    }
  }

  static void step(StepResult step, long tokens, double tokensPerSecond, long memoryBytes) {
    RunMetrics metrics = connected;
    if (metrics == null) {
      return;
    }
    metrics.last =
        new Step(
            step.step(),
            step.loss(),
            step.learningRate(),
            step.gradNorm(),
            tokensPerSecond,
            memoryBytes);
    metrics.steps.inc();
    metrics.tokens.inc(tokens);
  }

  /** The latest perplexity at a length. */
  static void perplexity(int length, double value) {
    RunMetrics metrics = connected;
    if (metrics != null) {
      String name = "evaluation.perplexity." + length;
      metrics.registry.remove(name);
      metrics.registry.gauge(name, () -> (Gauge<Double>) () -> value);
    }
  }
}
