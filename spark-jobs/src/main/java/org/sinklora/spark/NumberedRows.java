package org.sinklora.spark;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.element_at;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.monotonically_increasing_id;
import static org.apache.spark.sql.functions.shiftright;

import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.storage.StorageLevel;

/** Rows numbered from 0 on, in the order they have; they stay on disk until this is closed. */
final class NumberedRows implements AutoCloseable {
  /** Spark's own numbers are the partition, and in these bits the row in it. */
  private static final int ROW_BITS = 33;

  private final Dataset<Row> placed;

  private NumberedRows(Dataset<Row> placed) {
    this.placed = placed;
  }

  /**
   * @param ordered rows whose order does not change when they are computed again
   */
  static NumberedRows of(Dataset<Row> ordered) {
    return new NumberedRows(
        ordered
            .withColumn("place", monotonically_increasing_id())
            .persist(StorageLevel.DISK_ONLY()));
  }

  /** The rows with their number as {@code document}, the last column. */
  Dataset<Row> rows() {
    Column partition = shiftright(col("place"), ROW_BITS).cast("int");
    List<Row> counts =
        placed.groupBy(partition.as("partition")).agg(count(lit(1)).as("rows")).collectAsList();
    int partitions = counts.stream().mapToInt(row -> row.getInt(0) + 1).max().orElse(1);
    long[] first = new long[partitions];
    counts.forEach(row -> first[row.getInt(0)] = row.getLong(1));
    long before = 0;
    for (int i = 0; i < partitions; i++) {
      long rows = first[i];
      first[i] = before;
      before += rows;
    }
    Column row = col("place").bitwiseAND(lit((1L << ROW_BITS) - 1));
    return placed
        .withColumn("document", element_at(lit(first), partition.plus(1)).plus(row))
        .drop("place");
  }

  @Override
  public void close() {
    placed.unpersist();
  }
}
