package org.sinklora.spark;

import java.util.Arrays;
import java.util.stream.Collectors;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/** Params in words. */
final class ParamText {
  private ParamText() {}

  /** As Spark explains params; of lists it would show no more than their address. */
  static String explain(Params params, Param<?> param) {
    String standard =
        params.hasDefault(param) ? "default: " + value(params.getDefault(param).get()) : "";
    String current = params.isSet(param) ? "current: " + value(params.get(param).get()) : "";
    String both = standard + (standard.isEmpty() || current.isEmpty() ? "" : ", ") + current;
    return "%s: %s (%s)".formatted(param.name(), param.doc(), both.isEmpty() ? "undefined" : both);
  }

  /** As the command line takes it. */
  static String value(Object value) {
    if (value instanceof String[] words) {
      return String.join(",", words);
    }
    return value instanceof int[] numbers
        ? Arrays.stream(numbers).mapToObj(String::valueOf).collect(Collectors.joining(","))
        : value.toString();
  }
}
