package org.sinklora.spark;

import static org.apache.spark.sql.functions.col;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoder;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.ExamplePacker;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.SequencePacker;
import scala.Tuple2;
import scala.Tuple3;

/**
 * Packs documents into rows. Those whose numbers lie in one group are packed together, whatever
 * task does it, so that the rows do not depend on how the work is cut.
 */
final class PackedRows {
  /** Documents of a group. */
  private static final int GROUP = 4096;

  /** Tokens of whole examples that a task holds at most to choose from, 128 MiB with labels. */
  private static final int GROUP_TOKENS = 1 << 24;

  private final SparkSession spark;
  private final int length;
  private final int bos;
  private final int cuts;

  /**
   * @param length tokens of a row
   * @param bos begins a piece of plain text
   * @param cuts how many tasks there are
   */
  PackedRows(SparkSession spark, int length, int bos, int cuts) {
    this.spark = spark;
    this.length = length;
    this.bos = bos;
    this.cuts = cuts;
  }

  /**
   * Rows of one length, {@code input_ids}; the last one of each group is as long as what is left.
   *
   * @param documents {@code input_ids} and {@code document}
   */
  Dataset<Row> documents(Dataset<Row> documents) {
    Encoder<int[]> ids = spark.implicits().newIntArrayEncoder();
    int rowLength = length;
    int begin = bos;
    return grouped(documents, GROUP, "input_ids")
        .as(Encoders.tuple(Encoders.LONG(), ids))
        .mapPartitions(
            (Iterator<Tuple2<Long, int[]>> part) -> new Sequences(part, rowLength, begin), ids)
        .toDF("input_ids");
  }

  /**
   * Rows of whole examples, {@code input_ids}, {@code labels} and {@code pieces}.
   *
   * @param examples {@code input_ids}, {@code labels} and {@code document}
   */
  Dataset<Row> examples(Dataset<Row> examples) {
    Encoder<int[]> ids = spark.implicits().newIntArrayEncoder();
    int rowLength = length;
    int group = Math.max(1, Math.min(GROUP, GROUP_TOKENS / length));
    return grouped(examples, group, "input_ids", "labels")
        .as(Encoders.tuple(Encoders.LONG(), ids, ids))
        .mapPartitions(
            (Iterator<Tuple3<Long, int[], int[]>> part) -> new Rows(part, rowLength, group),
            Encoders.tuple(ids, ids, ids))
        .toDF("input_ids", "labels", "pieces");
  }

  /** Groups whole and in order in a task. */
  private Dataset<Row> grouped(Dataset<Row> rows, int group, String... columns) {
    Column number = col("document").divide(group).cast("long");
    return rows.withColumn("group", number)
        .repartitionByRange(cuts, col("group"))
        .sortWithinPartitions("document")
        .select("document", columns);
  }

  /** What the groups of a task give, one group after the other. */
  private abstract static class Groups<I, O> implements Iterator<O> {
    private final Iterator<I> input;
    private final Deque<O> ready = new ArrayDeque<>();
    private final int size;
    private long group = -1;

    Groups(Iterator<I> input, int size) {
      this.input = input;
      this.size = size;
    }

    /** Number of a document. */
    abstract long document(I row);

    abstract void begin(Deque<O> rows);

    abstract void add(I row);

    abstract void end();

    @Override
    public boolean hasNext() {
      while (ready.isEmpty() && input.hasNext()) {
        I row = input.next();
        long next = document(row) / size;
        if (next != group) {
          endGroup();
          begin(ready);
          group = next;
        }
        add(row);
      }
      if (ready.isEmpty()) {
        endGroup();
      }
      return !ready.isEmpty();
    }

    private void endGroup() {
      if (group >= 0) {
        end();
        group = -1;
      }
    }

    @Override
    public O next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      return ready.removeFirst();
    }
  }

  private static final class Sequences extends Groups<Tuple2<Long, int[]>, int[]> {
    private final int length;
    private final int bos;
    private SequencePacker packer;

    Sequences(Iterator<Tuple2<Long, int[]>> input, int length, int bos) {
      super(input, GROUP);
      this.length = length;
      this.bos = bos;
    }

    @Override
    long document(Tuple2<Long, int[]> row) {
      return row._1();
    }

    @Override
    void begin(Deque<int[]> rows) {
      packer = new SequencePacker(length, bos, rows::addLast);
    }

    @Override
    void add(Tuple2<Long, int[]> row) {
      packer.add(row._2());
    }

    @Override
    void end() {
      packer.finish();
    }
  }

  private static final class Rows
      extends Groups<Tuple3<Long, int[], int[]>, Tuple3<int[], int[], int[]>> {
    private final int length;
    private ExamplePacker packer;

    Rows(Iterator<Tuple3<Long, int[], int[]>> input, int length, int group) {
      super(input, group);
      this.length = length;
    }

    @Override
    long document(Tuple3<Long, int[], int[]> row) {
      return row._1();
    }

    @Override
    void begin(Deque<Tuple3<int[], int[], int[]>> rows) {
      packer = new ExamplePacker(length, examples -> rows.addLast(joined(examples)));
    }

    @Override
    void add(Tuple3<Long, int[], int[]> row) {
      packer.add(new LabelledTokens(row._2(), row._3()));
    }

    @Override
    void end() {
      packer.finish();
    }

    private static Tuple3<int[], int[], int[]> joined(List<LabelledTokens> examples) {
      return new Tuple3<>(
          examples.stream().flatMapToInt(example -> IntStream.of(example.ids())).toArray(),
          examples.stream().flatMapToInt(example -> IntStream.of(example.labels())).toArray(),
          examples.stream().mapToInt(example -> example.ids().length).toArray());
    }
  }
}
