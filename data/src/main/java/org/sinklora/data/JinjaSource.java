package org.sinklora.data;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A chat template's Jinja, written so that Jinjava reads it as Python's Jinja does with
 * Transformers' settings ({@code trim_blocks}, {@code lstrip_blocks}): white space that these
 * settings and the signs {@code -} and {@code +} take is taken here, since Jinjava takes other;
 * comments are gone; what Jinjava has no syntax for is put in one it has.
 */
final class JinjaSource {
  /** The filter that stands for {@code [::-1]}. */
  static final String REVERSED = "sinklora_reversed";

  private static final Pattern BEGIN = Pattern.compile("\\{[{%#]");
  private static final Pattern END_RAW = Pattern.compile("\\{%[-+]?\\s*endraw\\b");
  private static final Pattern FILTER = Pattern.compile("\\|\\s*([A-Za-z_]\\w*)");
  private static final Pattern REVERSE = Pattern.compile("\\[\\s*:\\s*:\\s*-\\s*1\\s*\\]");
  private static final Pattern STEP =
      Pattern.compile("\\[[^\\[\\]{}:]*:[^\\[\\]{}:]*:[^\\[\\]{}]*\\]");
  private static final Pattern NONE = Pattern.compile("([=!])=\\s*[Nn]one\\b");
  private static final Pattern BRACES = Pattern.compile("\\}(?=\\})");

  /** Not that of {@code is not} and {@code not in}. */
  private static final Pattern NOT = Pattern.compile("(?<!\\bis\\s{1,9})\\bnot\\b(?!\\s+in\\b)");

  private static final Pattern END_OF_NOT =
      Pattern.compile("\\b(?:and|or|if|else)\\b|[,:(\\[{)\\]}]");

  /** The name of an argument. */
  private static final Pattern KEYWORD = Pattern.compile("(?<=[(,])\\s*\\w+\\s*=(?!=)");

  private static final Pattern END_OF_ARGUMENT = Pattern.compile("[,(\\[{)\\]}]");
  private static final Pattern FILTERED_LOOP =
      Pattern.compile("for\\s.*\\sif\\s((?!\\selse\\s).)*", Pattern.DOTALL);

  private final String source;
  private final StringBuilder text = new StringBuilder();
  private final List<String> filters = new ArrayList<>();
  private final Deque<String> open = new ArrayDeque<>();
  private int skippedLines;
  private boolean generation;

  /** Where the lines that were taken away are put, so that errors name the right ones; or -1. */
  private int lastTag = -1;

  /** Whether a line begins where the next text does. */
  private boolean atLineStart = true;

  /**
   * @throws IOException if the template uses what can't be rendered
   */
  JinjaSource(String source) throws IOException {
    String unix = source.replaceAll("\r\n|\r", "\n");
    this.source = unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix;
    translate();
  }

  /** The template for Jinjava, which must not take white space itself. */
  String text() {
    return text.toString();
  }

  /** How many lines are missing at the beginning. */
  int skippedLines() {
    return skippedLines;
  }

  /** The filters that are used. */
  List<String> filters() {
    return filters;
  }

  /** Whether the template marks answers, with {@code {% generation %}}. */
  boolean marksAnswers() {
    return generation;
  }

  private void translate() throws IOException {
    int at = 0;
    Matcher begin = BEGIN.matcher(source);
    while (begin.find(at)) {
      char kind = source.charAt(begin.start() + 1);
      int inside = begin.end();
      char sign = source.charAt(Math.min(inside, source.length() - 1));
      boolean signed = sign == '-' || sign == '+';
      addText(source.substring(at, begin.start()), kind, signed ? sign : ' ');
      int from = signed ? inside + 1 : inside;
      int end = end(kind, from);
      char closing = source.charAt(end - 1);
      boolean closingSigned = end > from && (closing == '-' || closing == '+' && kind != '{');
      String code = source.substring(from, closingSigned ? end - 1 : end);
      at = end + 2;
      if (kind == '#') {
        skipLines(code);
      } else {
        addCode(kind, code);
      }
      at = behind(at, kind, closingSigned ? closing : ' ');
      if (kind == '%' && code.strip().equals("raw")) {
        at = addRaw(at);
      }
    }
    text.append(source, at, source.length());
  }

  /** Where the code that begins here ends: before its last sign, if it has one, and brackets. */
  private int end(char kind, int from) throws IOException {
    String closing = kind == '{' ? "}}" : kind + "}";
    char quote = 0;
    int open = 0;
    for (int i = from; i < source.length(); i++) {
      char c = source.charAt(i);
      if (quote != 0) {
        if (c == '\\') {
          i++;
        } else if (c == quote) {
          quote = 0;
        }
      } else if (open == 0 && source.startsWith(closing, i)) {
        return i;
      } else if (kind == '#') {
        continue;
      } else if (c == '\'' || c == '"') {
        quote = c;
      } else if ("([{".indexOf(c) >= 0) {
        open++;
      } else if (")]}".indexOf(c) >= 0) {
        open--;
      }
    }
    throw new IOException(
        "The chat template has a '{%c' without its '%s'; choose another with --chat-template"
            .formatted(kind, closing));
  }

  /** The text before a tag, without what the tag takes of it. */
  private void addText(String before, char kind, char sign) {
    int kept = before.length();
    if (sign == '-') {
      kept = before.stripTrailing().length();
    } else if (sign != '+' && kind != '{') {
      int line = before.lastIndexOf('\n') + 1;
      if ((line > 0 || atLineStart) && before.substring(line).isBlank()) {
        kept = line;
      }
    }
    text.append(before, 0, kept);
    skipLines(before.substring(kept));
  }

  /** Goes on behind the white space that the end of a tag takes. */
  private int behind(int from, char kind, char sign) {
    int to = from;
    if (sign == '-') {
      while (to < source.length() && Character.isWhitespace(source.charAt(to))) {
        to++;
      }
    } else if (sign != '+' && kind != '{' && source.startsWith("\n", to)) {
      to++;
    }
    skipLines(source.substring(from, to));
    atLineStart = to > from && source.charAt(to - 1) == '\n';
    return to;
  }

  private void skipLines(String taken) {
    String lines = taken.replaceAll("[^\n]", "");
    if (lastTag < 0) {
      skippedLines += lines.length();
    } else {
      text.insert(lastTag, lines);
      lastTag += lines.length();
    }
  }

  private int addRaw(int from) throws IOException {
    Matcher end = END_RAW.matcher(source);
    if (!end.find(from)) {
      throw new IOException(
          "The chat template has a {% raw %} without its {% endraw %}; choose another with --chat-template");
    }
    text.append(source, from, end.start());
    return end.start();
  }

  private void addCode(char kind, String code) throws IOException {
    String masked = withoutStrings(code);
    for (MatchResult filter : FILTER.matcher(masked).results().toList()) {
      filters.add(filter.group(1));
    }
    String statement = kind == '%' ? masked.strip() : "";
    generation |= statement.equals("generation");
    if (FILTERED_LOOP.matcher(statement).matches()) {
      throw unsupported("{% for … if … %}");
    }
    switch (statement.split("\\W", 2)[0]) {
      case "for", "if" -> open.push(statement);
      case "endfor", "endif" -> open.poll();
      case "else" -> {
        if (!open.isEmpty() && open.peek().startsWith("for")) {
          throw unsupported("{% for … %} with {% else %}");
        }
      }
      default -> {}
    }
    String rewritten = replace(code, REVERSE, match -> "|" + REVERSED);
    rewritten = replace(rewritten, NONE, m -> m.group(1).equals("=") ? "is none" : "is not none");
    rewritten = replace(rewritten, BRACES, match -> "} ");
    rewritten = withBrackets(rewritten, NOT, END_OF_NOT);
    if (!statement.startsWith("macro")) {
      rewritten = withBrackets(rewritten, KEYWORD, END_OF_ARGUMENT);
    }
    if (STEP.matcher(withoutStrings(rewritten)).find()) {
      throw unsupported("a slice with a step other than [::-1]");
    }
    text.append('{').append(kind).append(' ').append(rewritten.strip()).append(' ');
    lastTag = text.length();
    skipLines(code.substring(code.stripTrailing().length()));
    skipLines(code.substring(0, code.length() - code.stripLeading().length()));
    text.append(kind == '{' ? '}' : '%').append('}');
  }

  /**
   * Puts brackets around the operands of what matches, since Jinjava's end earlier than Python's.
   *
   * @param next where an operand may end
   */
  private static String withBrackets(String code, Pattern operator, Pattern next) {
    StringBuilder result = new StringBuilder(code);
    List<MatchResult> all = operator.matcher(withoutStrings(code)).results().toList();
    for (int i = all.size() - 1; i >= 0; i--) {
      int from = all.get(i).end();
      result.insert(endOfOperand(withoutStrings(result.toString()), from, next), ") ");
      result.insert(from, " (");
    }
    return result.toString();
  }

  private static int endOfOperand(String masked, int from, Pattern boundary) {
    Matcher next = boundary.matcher(masked);
    int brackets = 0;
    for (int at = from; next.find(at); at = next.end()) {
      if ("([{".contains(next.group())) {
        brackets++;
      } else if (brackets == 0) {
        return next.start();
      } else if (")]}".contains(next.group())) {
        brackets--;
      }
    }
    return masked.length();
  }

  private interface Replacement {
    String of(MatchResult match);
  }

  /** Replaces outside of strings. */
  private static String replace(String code, Pattern pattern, Replacement replacement) {
    StringBuilder replaced = new StringBuilder();
    int at = 0;
    for (MatchResult match : pattern.matcher(withoutStrings(code)).results().toList()) {
      replaced.append(code, at, match.start()).append(replacement.of(match));
      at = match.end();
    }
    return replaced.append(code, at, code.length()).toString();
  }

  /** The code with the content of its strings replaced, each character by one. */
  private static String withoutStrings(String code) {
    StringBuilder masked = new StringBuilder(code);
    char quote = 0;
    for (int i = 0; i < code.length(); i++) {
      char c = code.charAt(i);
      if (quote == 0) {
        quote = c == '\'' || c == '"' ? c : 0;
      } else if (c == quote) {
        quote = 0;
      } else {
        masked.setCharAt(i, '_');
        if (c == '\\' && i + 1 < code.length()) {
          masked.setCharAt(++i, '_');
        }
      }
    }
    return masked.toString();
  }

  private static IOException unsupported(String construct) {
    return new IOException(
        "The chat template uses %s, which is not supported; write it in another way and give the file with --chat-template"
            .formatted(construct));
  }
}
