package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.stream.DoubleStream;

/** What a training report says first. */
final class ReportSummary {
  /** Told in words of their own. */
  private static final List<String> TOLD =
      List.of("adapter", "steps", "resumed_at", "seconds", "tokens_per_second", "report", "data");

  /** The last tenth of the steps stands for the end. */
  private static final int END = 10;

  private ReportSummary() {}

  /**
   * @param record of the run
   * @param metrics of its steps
   */
  static ReportTable of(JsonNode record, MetricsHistory metrics) {
    JsonNode result = record.path("result");
    ReportTable table = ReportTable.of("Summary");
    table.with("steps", steps(record, metrics));
    addLoss(table, metrics.column("loss"));
    addTokens(table, record, metrics);
    table.with("began", record.path("began"));
    if (result.isObject()) {
      table.with("ended", record.path("ended"));
      double before = secondsUpTo(metrics, result.path("resumed_at").asLong());
      table.with("time", time(before + result.path("seconds").asDouble()));
      if (result.path("resumed_at").asLong() > 0) {
        table.with("resumed after step", result.path("resumed_at"));
      }
      table.with("adapter", result.path("adapter"));
      ObjectNode more = result.deepCopy();
      table.withAll(more.without(TOLD));
    }
    return table;
  }

  private static String steps(JsonNode record, MetricsHistory metrics) {
    MetricsHistory.Column steps = metrics.column("step");
    long done = steps.size() == 0 ? 0 : steps.steps()[steps.size() - 1];
    long all = record.path("settings").path("optimizer").path("steps").asLong(done);
    return record.has("result") || !record.has("settings")
        ? "%,d".formatted(done)
        : "%,d of %,d: the run goes on, or was interrupted".formatted(done, all);
  }

  private static void addLoss(ReportTable table, MetricsHistory.Column loss) {
    if (loss.size() == 0) {
      return;
    }
    table.with("first loss", "%.4f".formatted(loss.values()[0]));
    int end = Math.max(1, loss.size() / END);
    DoubleStream last =
        DoubleStream.of(loss.values()).skip(loss.size() - end).filter(Double::isFinite);
    table.with(
        end == 1 ? "last loss" : "mean of the last %,d losses".formatted(end),
        "%.4f".formatted(last.average().orElse(Double.NaN)));
  }

  private static void addTokens(ReportTable table, JsonNode record, MetricsHistory metrics) {
    double tokens = metrics.column("tokens").finite().sum();
    double predictions = metrics.column("predictions").finite().sum();
    if (tokens > 0) {
      table.with("tokens", "%,.0f".formatted(tokens));
      if (record.findValues("chatTemplate").stream().anyMatch(JsonNode::isTextual)) {
        table.with(
            "tokens that bear loss",
            "%,.0f (%.1f %%)".formatted(predictions, 100 * predictions / tokens));
      }
    }
    double rate = metrics.column("tokens_per_second").finite().average().orElse(Double.NaN);
    JsonNode result = record.path("result");
    // That of a part says little of the whole.
    JsonNode whole =
        result.path("resumed_at").asLong() > 0
            ? MissingNode.getInstance()
            : result.path("tokens_per_second");
    if (whole.isNumber() || Double.isFinite(rate)) {
      table.with("tokens a second", "%,.0f".formatted(whole.asDouble(rate)));
    }
  }

  /** What the steps of an earlier part of the run took. */
  private static double secondsUpTo(MetricsHistory metrics, long step) {
    MetricsHistory.Column tokens = metrics.column("tokens");
    MetricsHistory.Column rates = metrics.column("tokens_per_second");
    double seconds = 0;
    for (int i = 0; i < Math.min(tokens.size(), rates.size()); i++) {
      if (tokens.steps()[i] <= step && rates.values()[i] > 0) {
        seconds += tokens.values()[i] / rates.values()[i];
      }
    }
    return seconds;
  }

  private static String time(double seconds) {
    long whole = Math.round(seconds);
    return "%d:%02d:%02d".formatted(whole / 3600, whole / 60 % 60, whole % 60);
  }
}
