package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;

/** The plots of a training report. */
final class ReportCharts {
  private static final double BYTES_PER_MEGABYTE = 1e6;

  /** From so many steps on the mean says more than the single step. */
  private static final int SMOOTHED_FROM = 40;

  private final MetricsHistory metrics;
  private final ArrayNode charts = new JsonMapper().createArrayNode();

  private ReportCharts(MetricsHistory metrics) {
    this.metrics = metrics;
  }

  /** A plot for all that the metrics have. */
  static ArrayNode of(MetricsHistory metrics) {
    ReportCharts made = new ReportCharts(metrics);
    made.loss();
    made.add("Learning rate", 1, "learning_rate", "rate");
    made.add("Norm of the gradient before clipping", 1, "grad_norm", "norm");
    made.add("Tokens a second", 1, "tokens_per_second", "tokens/s");
    made.add("Memory of the largest process, MiB", 1, "memory_mib", "MiB");
    made.add(
        "Seconds of a round",
        1,
        "round_seconds",
        "whole round",
        "compute_seconds",
        "computing of the slowest task");
    made.add(
        "Megabytes of a round",
        BYTES_PER_MEGABYTE,
        "bytes_down",
        "to the executors",
        "bytes_up",
        "back from them");
    return made.charts;
  }

  private void loss() {
    MetricsHistory.Column loss = metrics.column("loss");
    if (loss.size() == 0) {
      return;
    }
    ReportChart chart = new ReportChart("Loss", loss.steps()).with("each step", loss.values());
    if (loss.size() >= SMOOTHED_FROM) {
      chart.with("smoothed", ReportChart.smoothed(loss.values()));
    }
    chart.addTo(charts);
  }

  /**
   * Adds a plot of fields that the same lines have; none without the first.
   *
   * @param unit what the values are divided by
   * @param fields each with the name of its curve
   */
  private void add(String title, double unit, String... fields) {
    MetricsHistory.Column first = metrics.column(fields[0]);
    if (first.size() == 0) {
      return;
    }
    ReportChart chart = new ReportChart(title, first.steps());
    for (int i = 0; i < fields.length; i += 2) {
      MetricsHistory.Column column = metrics.column(fields[i]);
      if (column.size() == first.size()) {
        chart.with(fields[i + 1], ReportChart.divided(column.values(), unit));
      }
    }
    chart.addTo(charts);
  }
}
