package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.DoubleStream;
import java.util.stream.LongStream;

/** What {@link MetricsLog} wrote of a run, by field. */
final class MetricsHistory {
  private static final JsonMapper JSON = new JsonMapper();

  /**
   * A field over the steps.
   *
   * @param steps of the lines that have it, in their order
   * @param values one for each of these; not a number where the run had none
   */
  record Column(long[] steps, double[] values) {
    static final Column EMPTY = new Column(new long[0], new double[0]);

    int size() {
      return values.length;
    }

    double last() {
      return values[values.length - 1];
    }

    DoubleStream finite() {
      return DoubleStream.of(values).filter(Double::isFinite);
    }
  }

  private static final class Growing {
    private final LongStream.Builder steps = LongStream.builder();
    private final DoubleStream.Builder values = DoubleStream.builder();
  }

  private final Map<String, Column> columns = new LinkedHashMap<>();

  private MetricsHistory(Map<String, Growing> grown) {
    grown.forEach(
        (name, column) ->
            columns.put(
                name, new Column(column.steps.build().toArray(), column.values.build().toArray())));
  }

  /** Reads the file of a run, which may go on meanwhile: half a line at its end is left out. */
  static MetricsHistory read(Storage storage, String file) throws IOException {
    Map<String, Growing> grown = new LinkedHashMap<>();
    try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(storage.open(file), StandardCharsets.UTF_8))) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        JsonNode values = parse(line);
        if (values.path("step").isIntegralNumber()) {
          long step = values.path("step").longValue();
          values
              .properties()
              .forEach(
                  field -> {
                    Growing column = grown.computeIfAbsent(field.getKey(), name -> new Growing());
                    column.steps.add(step);
                    column.values.add(number(field.getValue()));
                  });
        }
      }
    }
    return new MetricsHistory(grown);
  }

  private static JsonNode parse(String line) {
    try {
      return JSON.readTree(line);
    } catch (JsonProcessingException e) {
      return JSON.missingNode();
    }
  }

  /** JSON has no word for what is no number or infinite: it is a text there. */
  private static double number(JsonNode value) {
    return switch (value.asText()) {
      case "Infinity" -> Double.POSITIVE_INFINITY;
      case "-Infinity" -> Double.NEGATIVE_INFINITY;
      default -> value.isNumber() ? value.doubleValue() : Double.NaN;
    };
  }

  /** A field; empty if no line has it. */
  Column column(String name) {
    return columns.getOrDefault(name, Column.EMPTY);
  }

  /** Steps that were done. */
  int size() {
    return column("step").size();
  }
}
