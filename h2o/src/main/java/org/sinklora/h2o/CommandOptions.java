package org.sinklora.h2o;

import java.util.Map;
import java.util.TreeMap;

/** {@code --name value} pairs of the bench programs. */
record CommandOptions(Map<String, String> values) {

  /**
   * @throws IllegalArgumentException if a name is unknown or has no value; the message lists the
   *     known ones
   */
  static CommandOptions parse(String[] arguments, Map<String, String> defaults) {
    Map<String, String> values = new TreeMap<>(defaults);
    for (int i = 0; i < arguments.length; i += 2) {
      if (!values.containsKey(arguments[i]) || i + 1 == arguments.length) {
        throw new IllegalArgumentException(
            "Unknown option, or one without a value: %s; known are %s"
                .formatted(arguments[i], values.keySet()));
      }
      values.put(arguments[i], arguments[i + 1]);
    }
    return new CommandOptions(values);
  }

  String text(String name) {
    return values.get(name);
  }

  int number(String name) {
    try {
      return Integer.parseInt(values.get(name));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "%s is %s; expected a whole number".formatted(name, values.get(name)), e);
    }
  }
}
