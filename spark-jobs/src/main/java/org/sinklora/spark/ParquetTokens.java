package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoder;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.SequencePlan;
import scala.Tuple2;

/**
 * One side of a data set in Parquet: {@code input_ids: array<int>}, {@code document: long}; of
 * conversations also {@code labels: array<int>} and, packed, {@code pieces: array<int>}.
 */
final class ParquetTokens implements TokenDataSet {
  private static final String PARQUET = ".parquet";

  private static final StructType REQUEST =
      new StructType()
          .add("position", DataTypes.IntegerType, false)
          .add("document", DataTypes.LongType, false)
          .add("start", DataTypes.IntegerType, false)
          .add("length", DataTypes.IntegerType, false);

  private static final StructType ROW_REQUEST =
      new StructType()
          .add("position", DataTypes.IntegerType, false)
          .add("document", DataTypes.LongType, false);

  private final SparkSession spark;
  private final String location;
  private final DataSetInfo info;
  private final Dataset<Row> rows;
  private final int vocabulary;
  private final long[] documents;
  private final int[] lengths;

  private ParquetTokens(
      SparkSession spark, String location, DataSetInfo info, Dataset<Row> rows, int vocabulary) {
    this.spark = spark;
    this.location = location;
    this.info = info;
    this.rows = rows;
    this.vocabulary = vocabulary;
    // Of each row the driver keeps 12 bytes: 80 million rows fit Spark's
    // spark.driver.maxResultSize.
    Column size = functions.size(functions.col("input_ids"));
    List<Tuple2<long[], int[]>> parts =
        rows.select(functions.col("document"), size)
            .sort("document")
            .as(Encoders.tuple(Encoders.LONG(), Encoders.INT()))
            .javaRDD()
            .mapPartitions(ParquetTokens::compact)
            .collect();
    documents = parts.stream().flatMapToLong(part -> LongStream.of(part._1())).toArray();
    lengths = parts.stream().flatMapToInt(part -> IntStream.of(part._2())).toArray();
  }

  /** Numbers and lengths of the rows of a task, as two arrays. */
  private static Iterator<Tuple2<long[], int[]>> compact(Iterator<Tuple2<Long, Integer>> rows) {
    LongStream.Builder documents = LongStream.builder();
    IntStream.Builder lengths = IntStream.builder();
    while (rows.hasNext()) {
      Tuple2<Long, Integer> row = rows.next();
      documents.add(row._1());
      lengths.add(row._2());
    }
    return List.of(new Tuple2<>(documents.build().toArray(), lengths.build().toArray())).iterator();
  }

  /**
   * @param tokenizer fingerprint that the data must have been made with
   * @param vocabulary ids of the model
   * @throws UserException if the data set is missing, empty, not whole, or made for another
   *     tokenizer
   */
  static ParquetTokens open(
      SparkSession spark, String location, Split split, String tokenizer, int vocabulary)
      throws IOException {
    Storage storage = SparkSessions.storage(spark);
    DataSetInfo info = DataSetInfo.read(storage, location);
    TokenDataSet.check(info, location, split, tokenizer);
    String folder = Storage.child(location, split.folder());
    DataSetInfo.Part said = info.part(split);
    boolean hasFiles =
        storage.exists(folder)
            && storage.list(folder).stream().anyMatch(file -> file.name().endsWith(PARQUET));
    if (!hasFiles) {
      throw notWhole(folder, "no Parquet file", said);
    }
    ParquetTokens tokens =
        new ParquetTokens(spark, location, info, SparkSessions.parquet(spark, folder), vocabulary);
    long found = IntStream.of(tokens.lengths).asLongStream().sum();
    if (tokens.lengths.length != said.rows() || found != said.tokens()) {
      throw notWhole(
          folder, "%,d rows of %,d tokens".formatted(tokens.lengths.length, found), said);
    }
    return tokens;
  }

  private static UserException notWhole(String folder, String found, DataSetInfo.Part said) {
    return new UserException(
        "%s has %s, but %s beside it says %,d rows of %,d tokens: files were lost or changed; prepare the data set again"
            .formatted(folder, found, DataSetInfo.FILE, said.rows(), said.tokens()));
  }

  /**
   * What a side that was written holds.
   *
   * @param supervised whether its rows have labels
   */
  static DataSetInfo.Part part(SparkSession spark, String folder, boolean supervised) {
    List<Column> hashed =
        new ArrayList<>(List.of(functions.col("document"), functions.col("input_ids")));
    if (supervised) {
      hashed.add(functions.col("labels"));
    }
    Row sums =
        SparkSessions.parquet(spark, folder)
            .agg(
                functions.count(functions.lit(1)),
                functions.sum(functions.size(functions.col("input_ids"))),
                functions.bit_xor(functions.xxhash64(hashed.toArray(Column[]::new))))
            .first();
    return new DataSetInfo.Part(
        sums.getLong(0),
        sums.isNullAt(1) ? 0 : sums.getLong(1),
        sums.isNullAt(2) ? "0" : Long.toHexString(sums.getLong(2)));
  }

  @Override
  public DataSetInfo info() {
    return info;
  }

  @Override
  public int[] lengths() {
    return lengths.clone();
  }

  @Override
  public List<int[]> read(List<SequencePlan.Slice> slices) {
    List<Row> requests = new ArrayList<>(slices.size());
    for (SequencePlan.Slice slice : slices) {
      requests.add(
          RowFactory.create(
              requests.size(), documents[slice.row()], slice.start(), slice.length()));
    }
    Column cut =
        functions.slice(
            functions.col("input_ids"), functions.col("start").plus(1), functions.col("length"));
    int[][] found = new int[slices.size()][];
    Encoder<int[]> ids = spark.implicits().newIntArrayEncoder();
    rows.join(functions.broadcast(spark.createDataFrame(requests, REQUEST)), "document")
        .select(functions.col("position"), functions.col("document"), cut)
        .as(Encoders.tuple(Encoders.INT(), Encoders.LONG(), ids))
        .collectAsList()
        .forEach(row -> found[row._1()] = checked(row._2(), row._3()));
    return List.of(found);
  }

  @Override
  public List<Examples> readExamples(List<SequencePlan.Slice> slices) {
    List<Row> requests = new ArrayList<>(slices.size());
    for (SequencePlan.Slice slice : slices) {
      requests.add(RowFactory.create(requests.size(), documents[slice.row()]));
    }
    Column pieces =
        info.packed()
            ? functions.col("pieces")
            : functions.array(functions.size(functions.col("input_ids")));
    Examples[] found = new Examples[slices.size()];
    Encoder<int[]> ids = spark.implicits().newIntArrayEncoder();
    rows.join(functions.broadcast(spark.createDataFrame(requests, ROW_REQUEST)), "document")
        .select(
            functions.col("position"),
            functions.col("document"),
            functions.col("input_ids"),
            functions.col("labels"),
            pieces)
        .as(Encoders.tuple(Encoders.INT(), Encoders.LONG(), ids, ids, ids))
        .collectAsList()
        .forEach(
            row ->
                found[row._1()] =
                    new Examples(
                        new LabelledTokens(checked(row._2(), row._3()), row._4()), row._5()));
    return List.of(found);
  }

  private int[] checked(long document, int[] ids) {
    for (int id : ids) {
      if (id < 0 || id >= vocabulary) {
        throw new UserException(
            "The data set %s holds id %d in document %d, outside the %,d of the model; prepare it again with this model"
                .formatted(location, id, document, vocabulary));
      }
    }
    return ids;
  }
}
