package org.sinklora.data;

/** The comment at the start of a source file that states its licence. */
final class LicenseHeader {
  private LicenseHeader() {}

  /**
   * Cuts the leading comment, one {@code /* … *}{@code /} or a run of {@code //} lines, and the
   * blank lines after it, if the comment mentions a licence or copyright; otherwise returns the
   * source as it is.
   */
  static String cut(String source) {
    int start = skipWhitespace(source, 0);
    int end = endOfComment(source, start);
    String comment = source.substring(start, end);
    // Without the first letter, so that upper and lower case both match.
    if (!comment.contains("icense") && !comment.contains("opyright")) {
      return source;
    }
    return source.substring(startOfLine(source, end, skipWhitespace(source, end)));
  }

  /** End of the comment that begins at {@code start}, or {@code start} if there is none. */
  private static int endOfComment(String source, int start) {
    if (source.startsWith("/*", start)) {
      int close = source.indexOf("*/", start + 2);
      return close < 0 ? start : close + 2;
    }
    int end = start;
    for (int line = start; source.startsWith("//", line); line = skipIndentation(source, end)) {
      int newline = source.indexOf('\n', line);
      end = newline < 0 ? source.length() : newline + 1;
    }
    return end;
  }

  /**
   * Goes back over the indentation before {@code position}, to keep it, but not past {@code from}.
   */
  private static int startOfLine(String source, int from, int position) {
    int start = source.lastIndexOf('\n', position - 1) + 1;
    return Math.max(start, from);
  }

  private static int skipIndentation(String source, int position) {
    int i = position;
    while (i < source.length() && (source.charAt(i) == ' ' || source.charAt(i) == '\t')) {
      i++;
    }
    return i;
  }

  private static int skipWhitespace(String source, int position) {
    int i = position;
    while (i < source.length() && Character.isWhitespace(source.charAt(i))) {
      i++;
    }
    return i;
  }
}
