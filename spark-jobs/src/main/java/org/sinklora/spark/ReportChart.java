package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/** A plot over the steps, with so few points that a browser draws it at once. */
final class ReportChart {
  /** Points of a plot: more than a screen has columns. */
  static final int MOST_POINTS = 2000;

  private static final MathContext DIGITS = new MathContext(6);

  /** The smoothed curve forgets in a fortieth of the run, in some steps at least. */
  private static final int SMOOTHING = 40;

  private static final int SHORTEST_SMOOTHING = 8;

  private final String title;
  private final long[] steps;
  private final Map<String, double[]> series = new LinkedHashMap<>();

  ReportChart(String title, long[] steps) {
    this.title = title;
    this.steps = steps;
  }

  /**
   * Adds a curve; the first decides which points stay.
   *
   * @param values one for each step
   */
  ReportChart with(String label, double[] values) {
    if (values.length != steps.length) {
      throw new IllegalArgumentException(
          "%d values for %d steps".formatted(values.length, steps.length));
    }
    series.put(label, values);
    return this;
  }

  void addTo(ArrayNode charts) {
    int[] kept = kept(series.values().iterator().next(), MOST_POINTS);
    ObjectNode chart = charts.addObject();
    chart.put("title", title);
    ArrayNode x = chart.putArray("steps");
    IntStream.of(kept).forEach(i -> x.add(steps[i]));
    ArrayNode list = chart.putArray("series");
    series.forEach(
        (label, values) -> {
          ArrayNode y = list.addObject().put("label", label).putArray("values");
          IntStream.of(kept).forEach(i -> add(y, values[i]));
        });
  }

  /** A gap where there is no number. */
  private static void add(ArrayNode y, double value) {
    if (Double.isFinite(value)) {
      y.add(BigDecimal.valueOf(value).round(DIGITS));
    } else {
      y.addNull();
    }
  }

  /**
   * Which of many points stay: the first, the last, and of every stretch the lowest and the
   * highest, so that no outlier is lost.
   */
  static int[] kept(double[] values, int limit) {
    int count = values.length;
    if (count <= limit) {
      return IntStream.range(0, count).toArray();
    }
    int stretches = limit / 2 - 1;
    IntStream.Builder kept = IntStream.builder();
    kept.add(0).add(count - 1);
    for (int stretch = 0; stretch < stretches; stretch++) {
      int from = (int) ((long) count * stretch / stretches);
      int to = (int) ((long) count * (stretch + 1) / stretches);
      int low = from;
      int high = from;
      for (int i = from; i < to; i++) {
        if (Double.isFinite(values[i])) {
          low = values[i] < values[low] || !Double.isFinite(values[low]) ? i : low;
          high = values[i] > values[high] || !Double.isFinite(values[high]) ? i : high;
        }
      }
      kept.add(low).add(high);
    }
    return kept.build().distinct().sorted().toArray();
  }

  /** The exponential mean of what came before; what is no number does not count. */
  static double[] smoothed(double[] values) {
    double keep = 1 - 1 / Math.max(SHORTEST_SMOOTHING, values.length / (double) SMOOTHING);
    double[] smoothed = new double[values.length];
    double mean = 0;
    double weight = 0;
    for (int i = 0; i < values.length; i++) {
      if (Double.isFinite(values[i])) {
        mean = keep * mean + (1 - keep) * values[i];
        weight = keep * weight + (1 - keep);
      }
      smoothed[i] = weight > 0 ? mean / weight : Double.NaN;
    }
    return smoothed;
  }

  static double[] divided(double[] values, double by) {
    return Arrays.stream(values).map(value -> value / by).toArray();
  }
}
