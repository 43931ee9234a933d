package org.sinklora.spark;

import java.io.Serializable;
import java.util.List;
import org.sinklora.lora.ParameterRows;

/** Where the rows of an adapter's parameters lie among its values. */
final class RowLayout implements Serializable {
  private static final long serialVersionUID = 1;

  /** Rows and columns of each parameter. */
  private final int[] rows;

  private final int[] columns;

  RowLayout(List<ParameterRows> parameters) {
    rows = parameters.stream().mapToInt(ParameterRows::rows).toArray();
    columns = parameters.stream().mapToInt(ParameterRows::columns).toArray();
  }

  /** What is done with a row. */
  @FunctionalInterface
  interface RowVisitor {
    /**
     * @param row counted over all parameters
     * @param at its first element among the values
     * @param width its elements
     */
    void visit(int row, int at, int width);
  }

  void forEach(RowVisitor visitor) {
    int row = 0;
    int at = 0;
    for (int parameter = 0; parameter < rows.length; parameter++) {
      int width = columns[parameter];
      for (int i = 0; i < rows[parameter]; i++) {
        visitor.visit(row++, at, width);
        at += width;
      }
    }
  }

  /** Elements of all rows. */
  int size() {
    int size = 0;
    for (int parameter = 0; parameter < rows.length; parameter++) {
      size += rows[parameter] * columns[parameter];
    }
    return size;
  }

  /** Number of rows. */
  int rows() {
    int all = 0;
    for (int count : rows) {
      all += count;
    }
    return all;
  }

  /** Bytes that the layout itself takes on the wire. */
  long bytes() {
    return (long) rows.length * 2 * Integer.BYTES;
  }
}
