package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.StringJoiner;

/**
 * Names and values in a report.
 *
 * @param title above them
 * @param rows in their order
 */
record ReportTable(String title, List<Row> rows) {

  /** A name and its value, for people. */
  record Row(String name, String value) {}

  static ReportTable of(String title) {
    return new ReportTable(title, new ArrayList<>());
  }

  ReportTable with(String name, String value) {
    rows.add(new Row(name, value));
    return this;
  }

  /** Adds a value where there is one. */
  ReportTable with(String name, JsonNode value) {
    if (!value.isMissingNode() && !value.isNull()) {
      rows.add(new Row(name, text(value)));
    }
    return this;
  }

  /** Adds the plain values of a JSON object under their own names. */
  ReportTable withAll(JsonNode object) {
    for (Map.Entry<String, JsonNode> field : object.properties()) {
      if (!field.getValue().isObject()) {
        with(words(field.getKey()), field.getValue());
      }
    }
    return this;
  }

  /** {@code shiftedHeadRatio} and {@code shifted_head_ratio} as {@code shifted head ratio}. */
  static String words(String name) {
    return name.replaceAll("([a-z])([A-Z])", "$1 $2").replace('_', ' ').toLowerCase(Locale.ROOT);
  }

  private static String text(JsonNode value) {
    if (value.isArray()) {
      StringJoiner items = new StringJoiner(", ").setEmptyValue("none");
      value.forEach(item -> items.add(text(item)));
      return items.toString();
    }
    if (value.isIntegralNumber()) {
      return "%,d".formatted(value.longValue());
    }
    if (value.isObject()) {
      StringJoiner fields = new StringJoiner(", ");
      value.properties().forEach(f -> fields.add(words(f.getKey()) + " " + text(f.getValue())));
      return fields.toString();
    }
    return value.asText();
  }
}
