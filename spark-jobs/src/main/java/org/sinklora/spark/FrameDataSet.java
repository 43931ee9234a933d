package org.sinklora.spark;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.size;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.Tokenizer;

/** A DataFrame as a data set on disk, as {@link Prepare} would write it, nothing held out. */
final class FrameDataSet {
  private static final DataType IDS = DataTypes.createArrayType(DataTypes.IntegerType, false);
  private static final DataType CAST = DataTypes.createArrayType(DataTypes.IntegerType, true);
  private static final String TEXT = "text";
  private static final String LABELS = "labels";
  private static final String PIECES = "pieces";
  private static final String DOCUMENT = "document";

  private final SparkSession spark;
  private final Dataset<?> frame;
  private final String column;
  private final ModelSource model;
  private final int packedLength;

  /**
   * @param column with texts or token ids; beside ids, {@code labels} and {@code pieces} are read
   *     where they are there, and {@code document} for the order
   * @param packedLength tokens of a packed sequence; 0 for documents
   */
  FrameDataSet(Dataset<?> frame, String column, ModelSource model, int packedLength) {
    this.spark = frame.sparkSession();
    this.frame = frame;
    this.column = column;
    this.model = model;
    this.packedLength = packedLength;
  }

  /**
   * Writes it.
   *
   * @param minimumCharacters of texts; shorter ones are left out
   * @param folder receives the data set
   */
  void write(int minimumCharacters, String folder) throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(SparkSessions.storage(spark)))) {
      ModelFit.check(tokenizer, model);
      if (OutputSchema.isIds(frame.schema().apply(column).dataType())) {
        writeIds(tokenizer, folder);
      } else {
        writeTexts(tokenizer, minimumCharacters, folder);
      }
    }
  }

  private void writeTexts(Tokenizer tokenizer, int minimumCharacters, String folder)
      throws IOException {
    // Computed once: a frame may give other rows the next time.
    String staged = folder + "-texts";
    frame.select(col(column).as(TEXT)).na().drop().write().parquet(staged);
    TextSources texts = new TextSources(SparkSessions.storage(spark), List.of());
    texts.add(staged);
    PreparationSettings settings =
        new PreparationSettings(
            model, new HeldOutSplit(0), minimumCharacters, packedLength, null, 0);
    new Preparation(spark, settings).write(texts, TEXT, tokenizer, folder, null, false);
  }

  private void writeIds(Tokenizer tokenizer, String folder) throws IOException {
    List<String> columns = List.of(frame.columns());
    boolean supervised = columns.contains(LABELS);
    boolean pieces = supervised && columns.contains(PIECES);
    StructType schema = new StructType().add("input_ids", IDS, false);
    List<Column> read = new ArrayList<>(List.of(col(column).cast(CAST)));
    for (String other : supervised ? List.of(LABELS, PIECES) : List.<String>of()) {
      if (columns.contains(other)) {
        schema = schema.add(other, IDS, false);
        read.add(col(other).cast(CAST));
      }
    }
    Dataset<Row> ordered =
        (columns.contains(DOCUMENT) ? frame.sort(DOCUMENT) : frame.toDF())
            .filter(size(col(column)).gt(0))
            .select(read.toArray(Column[]::new));
    JavaRDD<Row> numbered =
        ordered
            .javaRDD()
            .zipWithIndex()
            .map(
                pair -> {
                  Object[] values = new Object[pair._1().size() + 1];
                  for (int i = 0; i < values.length - 1; i++) {
                    values[i] = pair._1().get(i);
                  }
                  values[values.length - 1] = pair._2();
                  return RowFactory.create(values);
                });
    String train = Storage.child(folder, Split.TRAIN.folder());
    spark
        .createDataFrame(numbered, schema.add(DOCUMENT, DataTypes.LongType, false))
        .write()
        .parquet(train);
    boolean packed = supervised ? pieces : packedLength > 0;
    DataSetInfo info =
        new DataSetInfo(
            DataSetInfo.PARQUET,
            packed ? DataSetInfo.PACKED : DataSetInfo.DOCUMENTS,
            packedLength,
            model.location(),
            tokenizer.fingerprint(),
            tokenizer.vocabularySize(),
            tokenizer.bosId().orElse(-1),
            0,
            supervised ? LABELS : null,
            null,
            ParquetTokens.part(spark, train, supervised),
            new DataSetInfo.Part(0, 0, "0"));
    SparkSessions.storage(spark).writeText(Storage.child(folder, DataSetInfo.FILE), info.toJson());
  }
}
