package org.sinklora.data;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Packs whole examples into rows so that few tokens are missing in each: the longest first, each
 * into the row in which it leaves the least room (best fit decreasing). A row is as long as its
 * examples are, so nothing is filled up; fuller rows are fewer steps. The same examples in the same
 * order give the same rows. Used by one thread.
 */
public final class ExamplePacker {
  private record Placed(int order, LabelledTokens example) {
    int length() {
      return example.ids().length;
    }
  }

  private final int length;
  private final Consumer<List<LabelledTokens>> sink;
  private final List<Placed> waiting = new ArrayList<>();

  /**
   * @param length most tokens of a row
   * @param sink receives each row
   */
  public ExamplePacker(int length, Consumer<List<LabelledTokens>> sink) {
    this.length = length;
    this.sink = sink;
  }

  /**
   * Keeps an example until {@link #finish}.
   *
   * @throws IllegalArgumentException if the example alone is longer than a row
   */
  public void add(LabelledTokens example) {
    int tokens = example.ids().length;
    if (tokens > length) {
      throw new IllegalArgumentException(
          "An example of %,d tokens fits no row of %,d; leave it out".formatted(tokens, length));
    }
    waiting.add(new Placed(waiting.size(), example));
  }

  /**
   * Hands on the rows of what was added since the last time. Inside a row the examples are in the
   * order they came in, and the rows in the order of their first examples.
   */
  public void finish() {
    List<List<Placed>> rows = rows();
    waiting.clear();
    for (List<Placed> row : rows) {
      row.sort(Comparator.comparingInt(Placed::order));
    }
    rows.sort(Comparator.comparingInt(row -> row.get(0).order()));
    for (List<Placed> row : rows) {
      sink.accept(row.stream().map(Placed::example).toList());
    }
  }

  private List<List<Placed>> rows() {
    List<List<Placed>> rows = new ArrayList<>();
    // Rows by the room they still have, of equal room the oldest first.
    TreeMap<Integer, Deque<List<Placed>>> open = new TreeMap<>();
    waiting.sort(
        Comparator.comparingInt(Placed::length).reversed().thenComparingInt(Placed::order));
    for (Placed example : waiting) {
      List<Placed> row;
      int room;
      Map.Entry<Integer, Deque<List<Placed>>> best = open.ceilingEntry(example.length());
      if (best == null) {
        row = new ArrayList<>();
        rows.add(row);
        room = length;
      } else {
        room = best.getKey();
        row = best.getValue().removeFirst();
        if (best.getValue().isEmpty()) {
          open.remove(room);
        }
      }
      row.add(example);
      open.computeIfAbsent(room - example.length(), left -> new ArrayDeque<>()).addLast(row);
    }
    return rows;
  }
}
