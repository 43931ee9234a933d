package org.sinklora.spark;

import static org.apache.spark.sql.functions.expr;
import static org.apache.spark.sql.functions.lit;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;
import org.sinklora.data.Tokenizer;

/** Token ids of a DataFrame as a data set on disk. */
class FrameDataSetTest {
  private static final StructType SCHEMA =
      new StructType()
          .add("document", DataTypes.LongType)
          .add("tokens", DataTypes.createArrayType(DataTypes.LongType))
          .add("labels", DataTypes.createArrayType(DataTypes.IntegerType));

  private static SparkSession spark;

  @TempDir private Path folder;

  @BeforeAll
  static void start() {
    spark = SparkSessions.open("test", "local[2]");
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  private void write(List<Row> rows) throws IOException {
    write(spark.createDataFrame(rows, SCHEMA).repartition(3), "tokens", 0);
  }

  private void write(Dataset<Row> frame, String column, int packedLength) throws IOException {
    new FrameDataSet(frame, column, ModelSource.of(BundledModel.NAME, Storage.here()), packedLength)
        .write(0, folder.resolve("data").toString());
  }

  private static List<Row> rows() {
    List<Row> rows = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      rows.add(
          RowFactory.create(
              100L - i, List.of(1L, 5L + i, 2L), List.of(-100, 5 + i, i % 2 == 0 ? 2 : -100)));
    }
    return rows;
  }

  @Test
  void documentsAreNumberedInTheirOrder() throws IOException {
    List<Row> rows = rows();
    // Nothing to read: they take no number.
    rows.add(RowFactory.create(90L, List.of(), List.of()));
    rows.add(RowFactory.create(91L, null, List.of()));
    write(rows);
    Dataset<Row> written = spark.read().parquet(folder.resolve("data").resolve("train").toString());
    assertEquals(List.of("input_ids", "labels", "document"), Arrays.asList(written.columns()));
    List<Row> found = written.sort("document").collectAsList();
    assertEquals(20, found.size());
    for (int i = 0; i < 20; i++) {
      int before = 19 - i;
      assertEquals(
          RowFactory.create(
                  List.of(1, 5 + before, 2),
                  List.of(-100, 5 + before, before % 2 == 0 ? 2 : -100),
                  (long) i)
              .toString(),
          plain(found.get(i)));
    }
    DataSetInfo info = DataSetInfo.read(Storage.here(), folder.resolve("data").toString());
    assertEquals(20, info.train().rows());
    assertEquals(60, info.train().tokens());
  }

  private static String plain(Row row) {
    return RowFactory.create(
            List.copyOf(row.getList(0)), List.copyOf(row.getList(1)), row.getLong(2))
        .toString();
  }

  @Test
  void aNullAmongTheIdsIsRefused() {
    List<Row> rows = rows();
    rows.set(7, RowFactory.create(7L, Arrays.asList(1L, null, 2L), List.of(-100, 5, 2)));
    refused(rows, "The column 'tokens' has null in 1 of its rows");
    rows.set(7, RowFactory.create(7L, List.of(1L, 5L), Arrays.asList(null, 5)));
    rows.set(8, RowFactory.create(8L, List.of(1L, 5L), null));
    refused(rows, "The column 'labels' has null in 2 of its rows");
  }

  @Test
  void columnsThatDoNotFitTheIdsAreRefused() {
    Dataset<Row> frame = spark.createDataFrame(rows(), SCHEMA);
    refused(
        frame.withColumn("labels", lit(3)),
        0,
        "The column 'labels' is int; beside the token ids of 'tokens' it must be array<int>, a label for each id");
    List<Row> rows = rows();
    rows.set(16, RowFactory.create(84L, List.of(1L, 5L, 2L), List.of(-100, 5)));
    refused(
        spark.createDataFrame(rows, SCHEMA),
        0,
        "The columns 'tokens' and 'labels' do not fit: row 3 has 3 ids and 2 labels");
    refused(
        frame.withColumn("pieces", expr("array(2, IF(document = 83, 2, 1))")),
        0,
        "The columns 'tokens' and 'pieces' do not fit: row 2 has 3 ids and 4 ids in its pieces");
    refused(
        frame.drop("labels"),
        2,
        "pack is set, so each row of the column 'tokens' is a packed sequence");
    assertTrue(!folder.resolve("data").toFile().exists(), "something was written");
  }

  private void refused(Dataset<Row> frame, int packedLength, String said) {
    UserException failure =
        assertThrows(UserException.class, () -> write(frame, "tokens", packedLength));
    assertTrue(failure.getMessage().startsWith(said), failure.getMessage());
  }

  @Test
  void packedRowsMayBeShorterAndNamesMayHaveDots() throws IOException {
    Dataset<Row> frame = spark.createDataFrame(rows(), SCHEMA).drop("labels");
    write(frame.withColumnRenamed("tokens", "a.b"), "a.b", 8);
    DataSetInfo info = DataSetInfo.read(Storage.here(), folder.resolve("data").toString());
    assertEquals(60, info.train().tokens());
    try (Tokenizer tokenizer = Tokenizer.load(BundledModel.folder())) {
      ParquetTokens tokens =
          ParquetTokens.open(
              spark,
              folder.resolve("data").toString(),
              Split.TRAIN,
              tokenizer.fingerprint(),
              tokenizer.vocabularySize());
      assertEquals(3, new PlannedTokens(tokens, 8, 1).slice(0).length());
    }
  }

  private void refused(List<Row> rows, String said) {
    UserException failure = assertThrows(UserException.class, () -> write(rows));
    assertTrue(failure.getMessage().startsWith(said), failure.getMessage());
    assertTrue(failure.getMessage().contains("leave these rows out"), failure.getMessage());
    assertTrue(!folder.resolve("data").toFile().exists(), "something was written");
  }
}
