package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.Test;

/**
 * The README's picture of the patterns is what the code computes. After a change of the definition
 * it is {@code target/sf-attn.svg}.
 */
class PatternFigureTest {
  private static final int TOKENS = 32;
  private static final int HEADS = 4;
  private static final int SINKS = 2;

  /** Side of a panel, and from the left edge of one to that of the next. */
  private static final int SIDE = 192;

  private static final int STRIDE = 232;

  @Test
  void theReadmeShowsThePatterns() throws IOException {
    AttentionPattern sinkFixed = AttentionPattern.sinkFixed(8, 0.25, SINKS);
    String figure =
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 696 262" font-family="sans-serif" font-size="13">
        <rect width="696" height="262" rx="8" fill="#fff"/>
        """
            + panel(0, AttentionPattern.full(), 0, "full attention")
            + panel(1, sinkFixed, 0, "SF-Attn, most heads")
            + panel(2, sinkFixed, HEADS - 1, "SF-Attn, shifted heads")
            + """
            <text x="20" y="251" fill="#555">Rows are queries, columns keys: 32 tokens, groups of 8, <tspan fill="#d1495b">2 sinks</tspan>.</text>
            </svg>
            """;
    Files.writeString(Path.of("target", "sf-attn.svg"), figure);
    assertEquals(Files.readString(Path.of("sf-attn.svg")), figure);
  }

  private static String panel(int place, AttentionPattern pattern, int head, String title) {
    StringBuilder svg = new StringBuilder();
    svg.append(
        "<g transform=\"translate(%d,34)\"><text y=\"-10\" fill=\"#222\">%s</text>\n"
            .formatted(20 + place * STRIDE, title));
    svg.append("<rect width=\"%d\" height=\"%d\" fill=\"#f1f3f6\"/>\n".formatted(SIDE, SIDE));
    for (int query = 0; query < TOKENS; query++) {
      int key = 0;
      while (key < TOKENS) {
        int from = key;
        String color = color(pattern, query, key, head);
        while (key < TOKENS && color(pattern, query, key, head).equals(color)) {
          key++;
        }
        if (!color.isEmpty()) {
          svg.append(run(query, from, key, color));
        }
      }
    }
    return svg.append("</g>\n").toString();
  }

  private static String color(AttentionPattern pattern, int query, int key, int head) {
    if (!pattern.allowed(query, key, head, HEADS, TOKENS)) {
      return "";
    }
    boolean local = pattern instanceof FullAttention || key >= SINKS;
    return local ? "#3f6fb5" : "#d1495b";
  }

  private static String run(int query, int from, int to, String color) {
    int cell = SIDE / TOKENS;
    return String.format(
        Locale.ROOT,
        "<path d=\"M%d %dh%dv%dh-%dz\" fill=\"%s\"/>\n",
        from * cell,
        query * cell,
        (to - from) * cell,
        cell,
        (to - from) * cell,
        color);
  }
}
