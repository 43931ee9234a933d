package org.sinklora.spark;

import java.util.Arrays;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/** Params in words. */
final class ParamText {
  private static final Pattern OPTION = Pattern.compile("--[a-z]+(-[a-z]+)*");

  /** Options that are not called like the param: another thing is, or none. */
  private static final Map<String, String> OTHERS =
      Map.of("--output", "workFolder", "--pack", "--pack");

  private ParamText() {}

  /** As Spark explains params; of lists it would show no more than their address. */
  static String explain(Params params, Param<?> param) {
    String standard =
        params.hasDefault(param) ? "default: " + value(params.getDefault(param).get()) : "";
    String current = params.isSet(param) ? "current: " + value(params.get(param).get()) : "";
    String both = standard + (standard.isEmpty() || current.isEmpty() ? "" : ", ") + current;
    return "%s: %s (%s)".formatted(param.name(), param.doc(), both.isEmpty() ? "undefined" : both);
  }

  /** What was said of options, of params: {@code --sync-every} is syncEvery. */
  static String ofOptions(Params params, String message) {
    return OPTION
        .matcher(message)
        .replaceAll(
            match -> {
              String option = match.group();
              String name = FrameTraining.camelCase(option);
              return OTHERS.getOrDefault(option, params.hasParam(name) ? name : option);
            });
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
