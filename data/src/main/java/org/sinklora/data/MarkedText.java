package org.sinklora.data;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** A rendered conversation whose template has marked its loops over messages and its answers. */
final class MarkedText {
  /** No character of any text: Unicode sets it aside for use inside a program. */
  private static final char BEGIN = '\uFDD0';

  private static final char END = '\uFDD1';

  static final String LOOP = BEGIN + "(" + END;
  static final String LOOP_END = BEGIN + ")" + END;
  static final String GENERATED = BEGIN + "[" + END;
  static final String GENERATED_END = BEGIN + "]" + END;

  /** A part of the text, in UTF-16 units. */
  record Span(int start, int end) {}

  private final StringBuilder text = new StringBuilder();
  private final Map<Integer, List<Span>> turns = new HashMap<>();
  private final List<Span> generated = new ArrayList<>();

  private MarkedText() {}

  static String turnMark(int index) {
    return BEGIN + Integer.toString(index) + END;
  }

  /** Whether a text has what marks are made of. */
  static boolean canHold(String text) {
    return text.indexOf(BEGIN) < 0 && text.indexOf(END) < 0;
  }

  /**
   * @return null if the marks don't stand as they were set, since the template has worked on text
   *     that held some
   */
  static MarkedText of(String marked) {
    MarkedText result = new MarkedText();
    try {
      result.read(marked);
    } catch (IllegalStateException e) {
      return null;
    }
    return result;
  }

  /** A turn that is open, in a loop that is. */
  private record Open(int index, int start) {
    static final Open NONE = new Open(-1, 0);
  }

  private void read(String marked) {
    Deque<Open> loops = new ArrayDeque<>();
    int generation = -1;
    int at = 0;
    for (int mark = marked.indexOf(BEGIN); mark >= 0; mark = marked.indexOf(BEGIN, at)) {
      text.append(marked, at, mark);
      int end = marked.indexOf(END, mark);
      require(end > mark);
      String what = marked.substring(mark + 1, end);
      at = end + 1;
      switch (what) {
        case "(" -> loops.push(Open.NONE);
        case ")" -> close(loops);
        case "[" -> {
          require(generation < 0);
          generation = text.length();
        }
        case "]" -> {
          require(generation >= 0);
          generated.add(new Span(generation, text.length()));
          generation = -1;
        }
        default -> {
          close(loops);
          loops.push(new Open(Integer.parseInt(what), text.length()));
        }
      }
    }
    text.append(marked, at, marked.length());
    require(loops.isEmpty() && generation < 0);
  }

  private void close(Deque<Open> loops) {
    require(!loops.isEmpty());
    Open open = loops.pop();
    // A loop over messages that only counts writes nothing.
    if (open != Open.NONE && open.start() < text.length()) {
      turns
          .computeIfAbsent(open.index(), index -> new ArrayList<>())
          .add(new Span(open.start(), text.length()));
    }
  }

  private static void require(boolean holds) {
    if (!holds) {
      throw new IllegalStateException("The marks don't nest");
    }
  }

  /** Without the marks. */
  String text() {
    return text.toString();
  }

  /** Where a message is written out; null if that is nowhere, or in several places. */
  Span turn(int index) {
    List<Span> found = turns.getOrDefault(index, List.of());
    return found.size() == 1 ? found.get(0) : null;
  }

  /** What the template says that the model generates. */
  List<Span> generated() {
    return generated;
  }
}
