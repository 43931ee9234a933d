package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;

/** Adds a column to the rows of a partition, a few rows at a time. */
final class OutputRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1;

  /** Rows that are computed together; a generation decodes them side by side. */
  static final int TOGETHER = 8;

  private final RowOutput output;
  private final int column;
  private final String name;
  private final boolean text;
  private final int vocabulary;

  /**
   * @param column that is read
   * @param name of it
   * @param text whether it holds texts, else token ids
   */
  OutputRows(RowOutput output, int column, String name, boolean text) {
    this.output = output;
    this.column = column;
    this.name = name;
    this.text = text;
    this.vocabulary = output.model().config().vocabSize();
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    Deque<Row> ready = new ArrayDeque<>();
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return !ready.isEmpty() || rows.hasNext();
      }

      @Override
      public Row next() {
        if (ready.isEmpty()) {
          try {
            addTo(ready, rows);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        }
        return ready.remove();
      }
    };
  }

  private void addTo(Deque<Row> ready, Iterator<Row> rows) throws IOException {
    List<Row> taken = new ArrayList<>();
    List<int[]> tokens = new ArrayList<>();
    while (rows.hasNext() && taken.size() < TOGETHER) {
      Row row = rows.next();
      taken.add(row);
      tokens.add(row.isNullAt(column) ? new int[0] : tokens(row));
    }
    // Of nothing there is no value.
    Iterator<Object> values =
        output.of(tokens.stream().filter(ids -> ids.length > 0).toList()).iterator();
    for (int at = 0; at < taken.size(); at++) {
      Row row = taken.get(at);
      Object[] all = new Object[row.size() + 1];
      Arrays.setAll(all, i -> i < row.size() ? row.get(i) : null);
      if (tokens.get(at).length > 0) {
        all[row.size()] = values.next();
      }
      ready.add(RowFactory.create(all));
    }
  }

  private int[] tokens(Row row) throws IOException {
    return text
        ? output.tokens(ExecutorTokenizers.of(output.model()), row.getString(column))
        : row.<Number>getList(column).stream().mapToInt(this::id).toArray();
  }

  private int id(Number number) {
    if (number == null) {
      throw new UserException(
          "The column '%s' has null among the token ids of a row; leave such rows out"
              .formatted(name));
    }
    if (number.longValue() < 0 || number.longValue() >= vocabulary) {
      throw new UserException(
          "The column '%s' holds the token id %d, outside the %,d of the model; was it made with another tokenizer?"
              .formatted(name, number.longValue(), vocabulary));
    }
    return number.intValue();
  }
}
