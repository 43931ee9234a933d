package org.sinklora.spark;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.List;
import java.util.NoSuchElementException;
import java.util.stream.IntStream;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.ml.linalg.SQLDataTypes;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.util.LongAccumulator;
import org.apache.spark.util.TaskCompletionListener;
import org.sinklora.data.Document;

/**
 * Reads every text once and keeps what decides whether it goes into a data set, not the text: a row
 * has {@code chunk}, {@code position} in it, {@code name}, {@code hash}, {@code characters}, and
 * where near duplicates are looked for {@code runs} and {@code bands}.
 */
final class TextSurvey {
  private static final StructType TEXT =
      new StructType()
          .add("chunk", DataTypes.IntegerType, false)
          .add("position", DataTypes.IntegerType, false)
          .add("name", DataTypes.StringType, false)
          .add("hash", DataTypes.StringType, false)
          .add("characters", DataTypes.LongType, false);

  private final SparkSession spark;
  private final PreparationSettings settings;
  private final String field;

  /**
   * @param field of JSON lines and Parquet that holds the text
   */
  TextSurvey(SparkSession spark, PreparationSettings settings, String field) {
    this.spark = spark;
    this.settings = settings;
    this.field = field;
  }

  /**
   * @param read counts the bytes of the chunks that are done
   */
  Dataset<Row> of(List<TextChunk> chunks, LongAccumulator read) {
    PreparationSettings chosen = settings;
    String textField = field;
    boolean near = settings.nearDuplicates() > 0;
    List<Integer> numbers = IntStream.range(0, chunks.size()).boxed().toList();
    var shared = SparkSessions.context(spark).broadcast(chunks);
    JavaRDD<Row> rows =
        SparkSessions.context(spark)
            .parallelize(numbers, Math.max(1, numbers.size()))
            .flatMap(
                number -> {
                  TextChunk chunk = shared.value().get(number);
                  ChunkReader reader = ChunkReader.open(chunk, textField, chosen);
                  return new Rows(number, chunk, reader, near, read);
                });
    if (!near) {
      return spark.createDataFrame(rows, TEXT);
    }
    StructType withVector = TEXT.add("vector", SQLDataTypes.VectorType(), false);
    return new NearDuplicates(spark, settings.nearDuplicates())
        .hashed(spark.createDataFrame(rows, withVector));
  }

  /** The rows of a chunk. */
  private static final class Rows implements Iterator<Row> {
    private final int number;
    private final TextChunk chunk;
    private final ChunkReader reader;
    private final boolean near;
    private final LongAccumulator read;
    private Text next;
    private int position;

    Rows(int number, TextChunk chunk, ChunkReader reader, boolean near, LongAccumulator read)
        throws IOException {
      this.number = number;
      this.chunk = chunk;
      this.reader = reader;
      this.near = near;
      this.read = read;
      TaskCompletionListener end = context -> close();
      TaskContext.get().addTaskCompletionListener(end);
      next = reader.next();
      end();
    }

    private void close() {
      try {
        reader.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    private void end() {
      if (next == null) {
        read.add(chunk.bytes());
      }
    }

    @Override
    public boolean hasNext() {
      return next != null;
    }

    @Override
    public Row next() {
      if (next == null) {
        throw new NoSuchElementException();
      }
      Row row = row(next);
      try {
        next = reader.next();
      } catch (IOException e) {
        throw new UncheckedIOException(e.getMessage(), e);
      }
      end();
      return row;
    }

    private Row row(Text text) {
      String content = text.text();
      String hash = Document.ofContent(content).name();
      long characters = content.codePointCount(0, content.length());
      return near
          ? RowFactory.create(
              number,
              position++,
              text.name(),
              hash,
              characters,
              NearDuplicates.vector(TextShingles.of(content)))
          : RowFactory.create(number, position++, text.name(), hash, characters);
    }
  }
}
