package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The paths of an option that may be repeated, and whose value may be several with commas between
 * them; a comma can also be part of a name.
 */
final class PathList {
  /** Begins with the name of a file system, so it is not the rest of a path. */
  private static final Pattern WITH_FILE_SYSTEM = Pattern.compile("[A-Za-z][A-Za-z0-9+.-]*:/.*");

  private PathList() {}

  /** At each place the longest that exists; what does not exist ends at its first comma. */
  static List<String> of(List<String> values, Storage storage) throws IOException {
    List<String> paths = new ArrayList<>();
    for (String value : values) {
      String[] parts = value.split(",", -1);
      for (int i = 0; i < parts.length; ) {
        int end = end(parts, i, storage);
        paths.add(joined(parts, i, end));
        i = end;
      }
    }
    return paths;
  }

  private static int end(String[] parts, int start, Storage storage) throws IOException {
    int longest = start + 1;
    while (longest < parts.length && !WITH_FILE_SYSTEM.matcher(parts[longest]).matches()) {
      longest++;
    }
    for (int end = longest; end > start + 1; end--) {
      if (storage.exists(joined(parts, start, end))) {
        return end;
      }
    }
    return start + 1;
  }

  private static String joined(String[] parts, int start, int end) {
    return String.join(",", List.of(parts).subList(start, end));
  }
}
