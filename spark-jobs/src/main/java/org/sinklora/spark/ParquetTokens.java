package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.SequencePlan;

/**
 * One side of a data set in Parquet: {@code input_ids: array<int>}, {@code document: long}; of
 * conversations also {@code labels: array<int>} and, packed, {@code pieces: array<int>}.
 */
final class ParquetTokens implements TokenDataSet {
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
    List<Row> sizes =
        rows.select(functions.col("document"), functions.size(functions.col("input_ids")))
            .sort("document")
            .collectAsList();
    documents = sizes.stream().mapToLong(row -> row.getLong(0)).toArray();
    lengths = sizes.stream().mapToInt(row -> row.getInt(1)).toArray();
  }

  /**
   * @param tokenizer fingerprint that the data must have been made with
   * @param vocabulary ids of the model
   * @throws UserException if the data set is missing, empty, or made for another tokenizer
   */
  static ParquetTokens open(
      SparkSession spark, String location, Split split, String tokenizer, int vocabulary)
      throws IOException {
    DataSetInfo info = DataSetInfo.read(SparkSessions.storage(spark), location);
    TokenDataSet.check(info, location, split, tokenizer);
    String folder = Storage.child(location, split.folder());
    return new ParquetTokens(spark, location, info, spark.read().parquet(folder), vocabulary);
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
    rows.join(functions.broadcast(spark.createDataFrame(requests, REQUEST)), "document")
        .select(functions.col("position"), functions.col("document"), cut)
        .collectAsList()
        .forEach(row -> found[row.getInt(0)] = ids(row));
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
    rows.join(functions.broadcast(spark.createDataFrame(requests, ROW_REQUEST)), "document")
        .select(
            functions.col("position"),
            functions.col("document"),
            functions.col("input_ids"),
            functions.col("labels"),
            pieces)
        .collectAsList()
        .forEach(
            row ->
                found[row.getInt(0)] =
                    new Examples(new LabelledTokens(ids(row), ints(row, 3)), ints(row, 4)));
    return List.of(found);
  }

  private static int[] ints(Row row, int column) {
    return row.<Integer>getList(column).stream().mapToInt(Integer::intValue).toArray();
  }

  private int[] ids(Row row) {
    List<Integer> list = row.getList(2);
    int[] ids = new int[list.size()];
    int at = 0;
    for (int id : list) {
      if (id < 0 || id >= vocabulary) {
        throw new UserException(
            "The data set %s holds id %d in document %d, outside the %,d of the model; prepare it again with this model"
                .formatted(location, id, row.getLong(1), vocabulary));
      }
      ids[at++] = id;
    }
    return ids;
  }
}
