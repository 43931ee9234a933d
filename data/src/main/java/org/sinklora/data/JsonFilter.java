package org.sinklora.data;

import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.lib.filter.AdvancedFilter;
import java.math.BigDecimal;
import java.util.Iterator;
import java.util.Map;
import java.util.Objects;

/**
 * {@code tojson} as Transformers has it: Python's {@code json.dumps} with {@code
 * ensure_ascii=False}, so a space behind comma and colon, and nothing escaped for HTML. Of its
 * arguments there is {@code indent}.
 */
final class JsonFilter implements AdvancedFilter {
  @Override
  public String getName() {
    return "tojson";
  }

  @Override
  public Object filter(
      Object value, JinjavaInterpreter interpreter, Object[] arguments, Map<String, Object> named) {
    for (Map.Entry<String, Object> argument : named.entrySet()) {
      boolean isDefault =
          argument.getKey().equals("ensure_ascii") && Boolean.FALSE.equals(argument.getValue());
      if (!argument.getKey().equals("indent") && !isDefault) {
        throw new IllegalArgumentException(
            "tojson has no argument %s=%s here".formatted(argument.getKey(), argument.getValue()));
      }
    }
    Object indent = arguments.length > 0 ? arguments[0] : named.get("indent");
    StringBuilder out = new StringBuilder();
    write(value, indent instanceof Number n ? n.intValue() : -1, 0, out);
    return out.toString();
  }

  /**
   * @param indent spaces a level; negative for one line
   */
  private static void write(Object value, int indent, int level, StringBuilder out) {
    if (value == null || value == NoneField.NONE) {
      out.append("null");
    } else if (value instanceof Map<?, ?> map) {
      Iterator<? extends Map.Entry<?, ?>> entries = map.entrySet().iterator();
      open('{', entries, indent, level, out);
      while (entries.hasNext()) {
        Map.Entry<?, ?> entry = entries.next();
        quote(Objects.toString(entry.getKey()), out);
        out.append(": ");
        write(entry.getValue(), indent, level + 1, out);
        next('}', entries, indent, level, out);
      }
    } else if (value instanceof Iterable<?> list) {
      Iterator<?> items = list.iterator();
      open('[', items, indent, level, out);
      while (items.hasNext()) {
        write(items.next(), indent, level + 1, out);
        next(']', items, indent, level, out);
      }
    } else if (value instanceof Double || value instanceof Float || value instanceof BigDecimal) {
      out.append(spelled(((Number) value).doubleValue()));
    } else if (value instanceof Number || value instanceof Boolean) {
      out.append(value);
    } else {
      quote(value.toString(), out);
    }
  }

  private static void open(
      char bracket, Iterator<?> all, int indent, int level, StringBuilder out) {
    out.append(bracket);
    if (all.hasNext()) {
      newLine(indent, level + 1, out);
    } else {
      // '{' and '}' are two apart, and so are '[' and ']'.
      out.append((char) (bracket + 2));
    }
  }

  private static void next(
      char bracket, Iterator<?> rest, int indent, int level, StringBuilder out) {
    if (!rest.hasNext()) {
      newLine(indent, level, out);
      out.append(bracket);
    } else if (indent < 0) {
      out.append(", ");
    } else {
      out.append(',');
      newLine(indent, level + 1, out);
    }
  }

  private static void newLine(int indent, int level, StringBuilder out) {
    if (indent >= 0) {
      out.append('\n').append(" ".repeat(indent * level));
    }
  }

  private static void quote(String text, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '"', '\\' -> out.append('\\').append(c);
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        case '\b' -> out.append("\\b");
        case '\f' -> out.append("\\f");
        default -> {
          if (c < ' ') {
            out.append("\\u%04x".formatted((int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** As Python's {@code repr}: with an exponent below 1e-4 and from 1e16 on. */
  private static String spelled(double value) {
    double size = Math.abs(value);
    if (value == 0 || size >= 1e-4 && size < 1e16) {
      String plain = new BigDecimal(Double.toString(value)).toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String[] parts = Double.toString(value).split("E");
    String digits = parts[0].endsWith(".0") ? parts[0].replace(".0", "") : parts[0];
    int exponent = Integer.parseInt(parts[1]);
    return "%se%s%02d".formatted(digits, exponent < 0 ? "-" : "+", Math.abs(exponent));
  }
}
