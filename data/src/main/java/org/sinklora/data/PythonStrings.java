package org.sinklora.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import jinjava.javax.el.ELContext;
import jinjava.javax.el.ELException;
import jinjava.javax.el.ELResolver;

/** What chat templates call on texts: the methods of Python's {@code str}, not those of Java's. */
final class PythonStrings extends ELResolver {
  @Override
  public Object invoke(
      ELContext context, Object base, Object method, Class<?>[] types, Object[] arguments) {
    if (!(base instanceof String text)) {
      return null;
    }
    context.setPropertyResolved(true);
    return call(text, method.toString(), arguments == null ? new Object[0] : arguments);
  }

  private static Object call(String text, String method, Object[] arguments) {
    String first = arguments.length > 0 && arguments[0] instanceof String s ? s : null;
    switch (method + "/" + arguments.length) {
      case "strip/0", "strip/1":
        return strip(text, first, true, true);
      case "lstrip/0", "lstrip/1":
        return strip(text, first, true, false);
      case "rstrip/0", "rstrip/1":
        return strip(text, first, false, true);
      case "upper/0":
        return text.toUpperCase(Locale.ROOT);
      case "lower/0":
        return text.toLowerCase(Locale.ROOT);
      case "capitalize/0":
        return capitalized(text);
      case "title/0":
        return Pattern.compile("\\p{L}+").matcher(text).replaceAll(m -> capitalized(m.group()));
      case "split/0":
        return Arrays.stream(text.strip().split("\\s+")).filter(word -> !word.isEmpty()).toList();
      default:
        break;
    }
    if (first != null) {
      switch (method + "/" + arguments.length) {
        case "startswith/1":
          return text.startsWith(first);
        case "endswith/1":
          return text.endsWith(first);
        case "find/1":
          return (long) text.indexOf(first);
        case "count/1":
          return (long) split(text, first, -1).size() - 1;
        case "split/1":
          return split(text, first, -1);
        case "split/2":
          return split(text, first, ((Number) arguments[1]).intValue());
        case "replace/2":
          return text.replace(first, Objects.toString(arguments[1]));
        default:
          break;
      }
    }
    if (method.equals("join") && arguments.length == 1 && arguments[0] instanceof Iterable<?> all) {
      return StreamSupport.stream(all.spliterator(), false)
          .map(Objects::toString)
          .collect(Collectors.joining(text));
    }
    throw new ELException(
        "a text has no method %s with %d such arguments here".formatted(method, arguments.length));
  }

  private static String strip(String text, String characters, boolean left, boolean right) {
    int start = 0;
    int end = text.length();
    while (left && start < end && isOneOf(text.charAt(start), characters)) {
      start++;
    }
    while (right && end > start && isOneOf(text.charAt(end - 1), characters)) {
      end--;
    }
    return text.substring(start, end);
  }

  private static boolean isOneOf(char c, String characters) {
    return characters == null
        ? Character.isWhitespace(c) || Character.isSpaceChar(c)
        : characters.indexOf(c) >= 0;
  }

  private static String capitalized(String text) {
    int first = text.isEmpty() ? 0 : text.offsetByCodePoints(0, 1);
    return text.substring(0, first).toUpperCase(Locale.ROOT)
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  /**
   * @param most how often it is split; negative for no limit
   */
  private static List<String> split(String text, String separator, int most) {
    if (separator.isEmpty()) {
      throw new ELException("a text is split at an empty separator");
    }
    List<String> parts = new ArrayList<>();
    int start = 0;
    for (int at = text.indexOf(separator);
        at >= 0 && (most < 0 || parts.size() < most);
        at = text.indexOf(separator, start)) {
      parts.add(text.substring(start, at));
      start = at + separator.length();
    }
    parts.add(text.substring(start));
    return parts;
  }

  @Override
  public Object getValue(ELContext context, Object base, Object property) {
    return null;
  }

  @Override
  public Class<?> getType(ELContext context, Object base, Object property) {
    return null;
  }

  @Override
  public void setValue(ELContext context, Object base, Object property, Object value) {
    throw new ELException("a text can't be changed");
  }

  @Override
  public boolean isReadOnly(ELContext context, Object base, Object property) {
    return true;
  }

  @Override
  public Class<?> getCommonPropertyType(ELContext context, Object base) {
    return null;
  }

  @Override
  public Iterator<java.beans.FeatureDescriptor> getFeatureDescriptors(
      ELContext context, Object base) {
    return null;
  }
}
