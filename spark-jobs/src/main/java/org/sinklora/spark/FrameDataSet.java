package org.sinklora.spark;

import static org.apache.spark.sql.functions.aggregate;
import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.exists;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.max;
import static org.apache.spark.sql.functions.size;
import static org.apache.spark.sql.functions.when;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.Tokenizer;

/** A DataFrame as a data set on disk, as {@link Prepare} would write it, nothing held out. */
final class FrameDataSet {
  private static final DataType IDS = DataTypes.createArrayType(DataTypes.IntegerType);
  private static final String IDS_COLUMN = "input_ids";
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
        try (JobDescription job = JobDescription.of("fit: reading the token ids")) {
          writeIds(tokenizer, folder);
        }
      } else {
        writeTexts(tokenizer, minimumCharacters, folder);
      }
    }
  }

  private void writeTexts(Tokenizer tokenizer, int minimumCharacters, String folder)
      throws IOException {
    // Computed once: a frame may give other rows the next time.
    String staged = folder + "-texts";
    try (JobDescription job = JobDescription.of("fit: reading the texts")) {
      Column text = OutputSchema.column(column).as(TEXT);
      frame.select(text).na().drop().write().parquet(staged);
    }
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
    List<String> names = new ArrayList<>(List.of(column));
    List<Column> read =
        new ArrayList<>(List.of(OutputSchema.column(column).cast(IDS).as(IDS_COLUMN)));
    for (String other : supervised ? List.of(LABELS, PIECES) : List.<String>of()) {
      if (columns.contains(other)) {
        checkIsOfIds(other);
        names.add(other);
        read.add(col(other).cast(IDS).as(other));
      }
    }
    Dataset<Row> ordered =
        (columns.contains(DOCUMENT) ? frame.sort(DOCUMENT) : frame.toDF())
            .filter(size(OutputSchema.column(column)).gt(0))
            .select(read.toArray(Column[]::new));
    String train = Storage.child(folder, Split.TRAIN.folder());
    try (NumberedRows numbered = NumberedRows.of(ordered)) {
      Dataset<Row> rows = numbered.rows();
      checkNoNulls(rows, names);
      if (supervised) {
        checkSum(
            rows, LABELS, size(col(LABELS)), "labels; each id needs one, -100 to bear no loss");
      }
      if (pieces) {
        Column sum = aggregate(col(PIECES), lit(0), Column::plus);
        checkSum(rows, PIECES, sum, "ids in its pieces; they are the lengths of its examples");
      }
      if (packedLength > 0 && !supervised) {
        checkPacked(rows);
      }
      rows.write().parquet(train);
    }
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

  /** Beside ids such a column belongs to them, unless it is an unrelated one of the same name. */
  private void checkIsOfIds(String other) {
    DataType type = frame.schema().apply(other).dataType();
    if (!OutputSchema.isIds(type)) {
      throw new UserException(
          "The column '%s' is %s; beside the token ids of '%s' it must be array<int>, %s; rename it or leave it out if it is something else"
              .formatted(
                  other,
                  type.catalogString(),
                  column,
                  other.equals(LABELS)
                      ? "a label for each id"
                      : "the lengths of the examples in a row"));
    }
  }

  /**
   * @param found how many ids the other column speaks of
   * @param what these are, and what is expected of them
   */
  private void checkSum(Dataset<Row> rows, String other, Column found, String what) {
    Column ids = size(col(IDS_COLUMN));
    List<Row> wrong =
        rows.filter(found.notEqual(ids))
            .select(col(DOCUMENT), ids, found)
            .sort(DOCUMENT)
            .limit(1)
            .collectAsList();
    if (!wrong.isEmpty()) {
      Row row = wrong.get(0);
      throw new UserException(
          "The columns '%s' and '%s' do not fit: row %d has %d ids and %d %s (empty rows left out, rows count from 0, in the order of 'document' if there is one)"
              .formatted(column, other, row.getLong(0), row.getInt(1), row.getInt(2), what));
    }
  }

  /** Of packed rows, no window is taken: a longer one would be trained on whole. */
  private void checkPacked(Dataset<Row> rows) {
    Row longest = rows.agg(max(size(col(IDS_COLUMN)))).first();
    if (!longest.isNullAt(0) && longest.getInt(0) > packedLength) {
      throw new UserException(
          "pack is set, so each row of the column '%s' is a packed sequence (documents one behind the other, each from its BOS on) of at most the %,d tokens of --context; the longest has %,d: choose a larger --context, cut the rows, or leave out pack"
              .formatted(column, packedLength, longest.getInt(0)));
    }
  }

  /**
   * @param names what the user calls the first columns of the rows
   */
  private static void checkNoNulls(Dataset<Row> rows, List<String> names) {
    List<Column> counts = new ArrayList<>();
    for (int i = 0; i < names.size(); i++) {
      Column ids = col(rows.columns()[i]);
      counts.add(count(when(ids.isNull().or(exists(ids, id -> id.isNull())), 1)));
    }
    Row found = rows.select(counts.toArray(Column[]::new)).first();
    for (int i = 0; i < names.size(); i++) {
      if (found.getLong(i) > 0) {
        throw new UserException(
            "The column '%s' has null in %,d of its rows, where there must be numbers; leave these rows out, or fill them in (%s where a label bears no loss)"
                .formatted(names.get(i), found.getLong(i), LabelledTokens.IGNORED));
      }
    }
  }
}
