package org.sinklora.data;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Packs whole examples into rows, in their order: an example that does not fit begins the next row.
 * A row is as long as its examples are, so nothing is filled up. Used by one thread.
 */
public final class ExamplePacker {
  private final int length;
  private final Consumer<List<LabelledTokens>> sink;
  private List<LabelledTokens> row = new ArrayList<>();
  private int filled;

  /**
   * @param length most tokens of a row
   * @param sink receives each row
   */
  public ExamplePacker(int length, Consumer<List<LabelledTokens>> sink) {
    this.length = length;
    this.sink = sink;
  }

  /**
   * @throws IllegalArgumentException if the example alone is longer than a row
   */
  public void add(LabelledTokens example) {
    int tokens = example.ids().length;
    if (tokens > length) {
      throw new IllegalArgumentException(
          "An example of %,d tokens fits no row of %,d; leave it out".formatted(tokens, length));
    }
    if (filled + tokens > length) {
      finish();
    }
    row.add(example);
    filled += tokens;
  }

  /** Hands on the last row. */
  public void finish() {
    if (filled > 0) {
      sink.accept(row);
      row = new ArrayList<>();
      filled = 0;
    }
  }
}
