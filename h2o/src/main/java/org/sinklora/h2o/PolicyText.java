package org.sinklora.h2o;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Reads policies from the command line: {@code name:parameter=value,…}. */
final class PolicyText {
  private static final String KNOWN =
      "full, streaming:sinks=4,recent=1024, h2o:heavy=0.1,recent=0.1, snapkv:budget=512,window=32";

  private final String text;
  private final Map<String, String> parameters;

  private PolicyText(String text, Map<String, String> parameters) {
    this.text = text;
    this.parameters = parameters;
  }

  static KvCachePolicy parse(String text) {
    int colon = text.indexOf(':');
    String name = (colon < 0 ? text : text.substring(0, colon)).strip();
    PolicyText policy = new PolicyText(text, colon < 0 ? Map.of() : split(text, colon));
    return switch (name) {
      case "full" -> {
        policy.allow(List.of(), List.of("limit"));
        yield policy.parameters.isEmpty() ? KvCachePolicy.full() : policy.limited();
      }
      case "streaming" -> {
        policy.allow(List.of("sinks", "recent"), List.of());
        yield new StreamingCache(policy.count("sinks"), policy.count("recent"));
      }
      case "h2o" -> {
        policy.allow(List.of("heavy", "recent"), List.of());
        yield new H2oCache(policy.count("heavy"), policy.count("recent"));
      }
      case "snapkv" -> {
        policy.allow(List.of("budget", "window"), List.of());
        yield new SnapKvCache(policy.count("budget"), policy.count("window"));
      }
      default ->
          throw new IllegalArgumentException(
              "There is no KV-cache policy '%s'; known are %s".formatted(name, KNOWN));
    };
  }

  private static Map<String, String> split(String text, int colon) {
    Map<String, String> parameters = new LinkedHashMap<>();
    for (String part : text.substring(colon + 1).split(",", -1)) {
      int equals = part.indexOf('=');
      if (equals < 1) {
        throw new IllegalArgumentException(
            "KV-cache policy '%s': '%s' is not parameter=value; known are %s"
                .formatted(text, part, KNOWN));
      }
      String key = part.substring(0, equals).strip();
      if (parameters.put(key, part.substring(equals + 1).strip()) != null) {
        throw new IllegalArgumentException(
            "KV-cache policy '%s' gives %s twice".formatted(text, key));
      }
    }
    return parameters;
  }

  private void allow(List<String> required, List<String> optional) {
    for (String name : required) {
      if (!parameters.containsKey(name)) {
        throw new IllegalArgumentException(
            "KV-cache policy '%s' lacks %s; known are %s".formatted(text, name, KNOWN));
      }
    }
    for (String name : parameters.keySet()) {
      if (!required.contains(name) && !optional.contains(name)) {
        throw new IllegalArgumentException(
            "KV-cache policy '%s' has no parameter %s; known are %s".formatted(text, name, KNOWN));
      }
    }
  }

  private TokenCount count(String name) {
    try {
      return TokenCount.parse(parameters.get(name));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          "KV-cache policy '%s': %s is %s".formatted(text, name, e.getMessage()), e);
    }
  }

  private FullCache limited() {
    TokenCount limit = count("limit");
    if (limit.ratio() || limit.isBelow(1)) {
      throw new IllegalArgumentException(
          "KV-cache policy '%s': limit is %s; expected a number of tokens from 1"
              .formatted(text, limit));
    }
    return new FullCache(limit.resolve(0));
  }
}
