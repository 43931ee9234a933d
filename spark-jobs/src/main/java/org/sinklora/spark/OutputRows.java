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
  private final boolean text;

  /**
   * @param column that is read
   * @param text whether it holds texts, else token ids
   */
  OutputRows(RowOutput output, int column, boolean text) {
    this.output = output;
    this.column = column;
    this.text = text;
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
      if (!row.isNullAt(column)) {
        tokens.add(tokens(row));
      }
    }
    Iterator<Object> values = output.of(tokens).iterator();
    for (Row row : taken) {
      Object[] all = new Object[row.size() + 1];
      Arrays.setAll(all, i -> i < row.size() ? row.get(i) : null);
      if (!row.isNullAt(column)) {
        all[row.size()] = values.next();
      }
      ready.add(RowFactory.create(all));
    }
  }

  private int[] tokens(Row row) throws IOException {
    return text
        ? output.tokens(ExecutorTokenizers.of(output.model()), row.getString(column))
        : row.<Number>getList(column).stream().mapToInt(Number::intValue).toArray();
  }
}
