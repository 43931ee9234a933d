package org.sinklora.spark;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * What inputs are called in the names of their documents: by the last segment of their path, and
 * where that would call two the same, or one as what lies in another, by as many as it takes.
 */
final class InputNames {
  private final Map<String, Integer> segments = new HashMap<>();

  private InputNames(Collection<String> paths) {
    paths.forEach(path -> segments.put(path, 1));
  }

  /**
   * Names by path.
   *
   * @param paths absolute ones, each as often as may be
   */
  static Map<String, String> of(Collection<String> paths) {
    InputNames names = new InputNames(paths);
    while (names.lengthenClashing()) {}
    return names.all();
  }

  private Map<String, String> all() {
    Map<String, String> all = new HashMap<>();
    segments.forEach((path, count) -> all.put(path, name(path, count)));
    return all;
  }

  private static String name(String path, int count) {
    List<String> all = segments(path);
    return String.join("/", all.subList(Math.max(0, all.size() - count), all.size()));
  }

  private static List<String> segments(String path) {
    return Arrays.stream(path.split("[/\\\\]")).filter(segment -> !segment.isEmpty()).toList();
  }

  /** Whether a name could be made longer; paths that lie in each other may clash to the end. */
  private boolean lengthenClashing() {
    Map<String, String> names = all();
    Map<String, Integer> counts = new HashMap<>();
    names.values().forEach(name -> counts.merge(name, 1, Integer::sum));
    Set<String> clashing = new HashSet<>();
    for (String name : counts.keySet()) {
      if (counts.get(name) > 1) {
        clashing.add(name);
      }
      for (int end = name.indexOf('/'); end >= 0; end = name.indexOf('/', end + 1)) {
        String outer = name.substring(0, end);
        if (counts.containsKey(outer)) {
          clashing.addAll(List.of(outer, name));
        }
      }
    }
    boolean lengthened = false;
    for (Map.Entry<String, String> named : names.entrySet()) {
      String path = named.getKey();
      int count = segments.get(path);
      if (clashing.contains(named.getValue()) && count < segments(path).size()) {
        segments.put(path, count + 1);
        lengthened = true;
      }
    }
    return lengthened;
  }
}
