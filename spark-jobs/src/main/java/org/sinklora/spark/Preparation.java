package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.functions;
import org.apache.spark.sql.types.DataType;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.apache.spark.storage.StorageLevel;
import org.sinklora.data.AnsweredText;
import org.sinklora.data.ExamplePacker;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.SequencePacker;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import scala.Tuple2;

/**
 * Texts to a token data set. The result depends on the texts' names and contents alone: not on how
 * many tasks there are or which comes first.
 */
final class Preparation {
  private static final DataType IDS = DataTypes.createArrayType(DataTypes.IntegerType, false);
  private static final StructType TEXT =
      new StructType()
          .add("name", DataTypes.StringType, false)
          .add("text", DataTypes.StringType, false)
          .add("answers", IDS, true);
  private static final StructType DOCUMENT =
      new StructType()
          .add("name", DataTypes.StringType, false)
          .add("characters", DataTypes.LongType, false)
          .add("dropped", DataTypes.StringType, true)
          .add("held_out", DataTypes.BooleanType, false)
          .add("input_ids", IDS, true)
          .add("labels", IDS, true);
  private static final StructType TOKENS =
      new StructType()
          .add("input_ids", IDS, false)
          .add("labels", IDS, true)
          .add("pieces", IDS, true)
          .add("document", DataTypes.LongType, false)
          .add("held_out", DataTypes.BooleanType, false);

  /** Documents that are packed together by one task; fixed, so that the result is. */
  private static final int DOCUMENTS_PER_PACK = 4096;

  private static final String CHOOSING = "prepare: choosing and tokenising the texts";

  private final SparkSession spark;
  private final PreparationSettings settings;

  Preparation(SparkSession spark, PreparationSettings settings) {
    this.spark = spark;
    this.settings = settings;
  }

  /**
   * Prepares in a session of its own.
   *
   * @return null if the output is there already, made of the same inputs in the same way
   */
  static Prepared run(
      String master, PreparationSettings settings, PrepareRequest request, Tokenizer tokenizer)
      throws IOException {
    try (SparkSession spark = SparkSessions.open("prepare", master)) {
      Storage storage = SparkSessions.storage(spark);
      TextSources texts = request.find(storage);
      String fingerprint = request.fingerprint(texts, settings, tokenizer);
      if (request.isDone(storage, fingerprint)) {
        return null;
      }
      return new Preparation(spark, settings)
          .write(
              new SparkTexts(spark, request.field(), settings).read(texts),
              tokenizer,
              request.output(),
              fingerprint);
    }
  }

  /**
   * Writes the data set; it appears complete or not at all.
   *
   * @param request fingerprint of what was asked for; may be null
   */
  Prepared write(JavaRDD<Text> texts, Tokenizer tokenizer, String output, String request)
      throws IOException {
    long start = System.nanoTime();
    int bos = tokenizer.bosId().orElse(-1);
    if (settings.packedLength() > 0 && bos < 0 && settings.supervision() == null) {
      throw new UserException(
          "The tokenizer has no BOS, which tells packed documents apart; leave out --pack");
    }
    Storage storage = SparkSessions.storage(spark);
    String fresh = Storage.sibling(output, "tmp");
    Dataset<Row> read =
        spark
            .createDataFrame(
                texts.map(text -> RowFactory.create(text.name(), text.text(), text.answers())),
                TEXT)
            .persist(StorageLevel.DISK_ONLY());
    Dataset<Row> all = chosen(read).persist(StorageLevel.MEMORY_AND_DISK());
    try {
      Dataset<Row> tokens;
      try (JobDescription job = JobDescription.of(CHOOSING)) {
        tokens = numbered(all.filter(functions.col("dropped").isNull()));
        if (tokens.isEmpty()) {
          throw TokenizedTexts.noneLeft(settings.minimumCharacters());
        }
      }
      DataSetInfo info =
          new DataSetInfo(
              DataSetInfo.PARQUET,
              settings.packedLength() > 0 ? DataSetInfo.PACKED : DataSetInfo.DOCUMENTS,
              settings.packedLength(),
              settings.model().location(),
              tokenizer.fingerprint(),
              tokenizer.vocabularySize(),
              bos,
              settings.heldOut().share(),
              settings.supervision() == null ? null : settings.supervision().template(),
              request,
              write(tokens, Split.TRAIN, bos, fresh),
              write(tokens, Split.HELD_OUT, bos, fresh));
      storage.writeText(Storage.child(fresh, DataSetInfo.FILE), info.toJson());
      QualityReport report;
      try (JobDescription job = JobDescription.of("prepare: counting what was kept")) {
        report = report(all, start);
      }
      storage.writeText(
          Storage.child(fresh, QualityReport.FILE), report.json().toPrettyString() + "\n");
      storage.replace(fresh, output);
      return new Prepared(info, report);
    } finally {
      all.unpersist();
      read.unpersist();
      storage.delete(fresh);
    }
  }

  private Dataset<Row> chosen(Dataset<Row> read) {
    try (JobDescription job = JobDescription.of(CHOOSING)) {
      return tokenize(new TextSelection(spark, settings).select(read));
    }
  }

  private QualityReport report(Dataset<Row> all, long start) {
    long documents = 0;
    long characters = 0;
    long[] kept = new long[3];
    Map<String, Long> dropped = new TreeMap<>();
    for (Row row :
        all.groupBy("dropped")
            .agg(
                functions.count(functions.lit(1)),
                functions.sum("characters"),
                functions.sum(functions.size(functions.col("input_ids"))))
            .collectAsList()) {
      documents += row.getLong(1);
      characters += row.getLong(2);
      if (row.isNullAt(0)) {
        kept = new long[] {row.getLong(1), row.getLong(2), row.getLong(3)};
      } else {
        dropped.put(row.getString(0), row.getLong(1));
      }
    }
    return new QualityReport(
        documents,
        characters,
        kept[0],
        kept[1],
        kept[2],
        dropped,
        (System.nanoTime() - start) / 1e9,
        SparkSessions.context(spark).defaultParallelism());
  }

  private Dataset<Row> tokenize(Dataset<Row> selected) {
    PreparationSettings chosen = settings;
    JavaRDD<Row> rows =
        selected
            .select("name", "text", "answers", "dropped")
            // Files differ in size: spread the texts before the work begins.
            .repartition(SparkSessions.context(spark).defaultParallelism() * 4)
            .javaRDD()
            .mapPartitions(part -> tokenize(part, chosen));
    return spark.createDataFrame(rows, DOCUMENT);
  }

  private static Iterator<Row> tokenize(Iterator<Row> texts, PreparationSettings settings)
      throws IOException {
    Tokenizer tokenizer = ExecutorTokenizers.of(settings.model());
    List<Row> rows = new ArrayList<>();
    while (texts.hasNext()) {
      Row text = texts.next();
      rows.add(tokenize(text, tokenizer, settings));
    }
    return rows.iterator();
  }

  private static Row tokenize(Row row, Tokenizer tokenizer, PreparationSettings settings) {
    String name = row.getString(0);
    String text = row.getString(1);
    long characters = text.codePointCount(0, text.length());
    boolean heldOut = settings.heldOut().holdsOut(name);
    if (!row.isNullAt(3)) {
      return RowFactory.create(name, characters, row.getString(3), heldOut, null, null);
    }
    if (row.isNullAt(2)) {
      int[] ids = TokenDocuments.encode(tokenizer, text);
      return RowFactory.create(name, characters, null, heldOut, ids, null);
    }
    LabelledTokens tokens = new AnsweredText(text, ints(row, 2)).encode(tokenizer);
    return fits(tokens, settings)
        ? RowFactory.create(name, characters, null, heldOut, tokens.ids(), tokens.labels())
        : RowFactory.create(name, characters, QualityReport.TOO_LONG, heldOut, null, null);
  }

  private static boolean fits(LabelledTokens tokens, PreparationSettings settings) {
    int limit = settings.packedLength();
    return limit == 0 || tokens.ids().length <= limit;
  }

  /** Numbers the documents by their names' order. */
  private Dataset<Row> numbered(Dataset<Row> documents) {
    JavaRDD<Row> rows =
        documents
            .select("name", "held_out", "input_ids", "labels")
            .sort("name")
            .javaRDD()
            .zipWithIndex()
            .map(
                pair -> {
                  Row row = pair._1();
                  return RowFactory.create(
                      row.get(2), row.get(3), null, pair._2(), row.getBoolean(1));
                });
    return spark.createDataFrame(rows, TOKENS);
  }

  private DataSetInfo.Part write(Dataset<Row> tokens, Split split, int bos, String folder) {
    Dataset<Row> rows =
        tokens.filter(functions.col("held_out").equalTo(split == Split.HELD_OUT)).drop("held_out");
    boolean packs = settings.packedLength() > 0 && split == Split.TRAIN;
    if (packs) {
      try (JobDescription job = JobDescription.of("prepare: packing the sequences")) {
        rows = packed(rows, bos);
      }
    }
    if (settings.supervision() == null) {
      rows = rows.select("input_ids", "document");
    } else if (!packs) {
      rows = rows.select("input_ids", "labels", "document");
    }
    String target = Storage.child(folder, split.folder());
    try (JobDescription job = JobDescription.of("prepare: writing " + split.folder())) {
      return write(rows, target);
    }
  }

  private DataSetInfo.Part write(Dataset<Row> rows, String target) {
    rows.write().parquet(target);
    Row sums =
        spark
            .read()
            .parquet(target)
            .agg(
                functions.count(functions.lit(1)),
                functions.sum(functions.size(functions.col("input_ids"))),
                functions.bit_xor(functions.xxhash64(hashed())))
            .first();
    return new DataSetInfo.Part(
        sums.getLong(0),
        sums.isNullAt(1) ? 0 : sums.getLong(1),
        sums.isNullAt(2) ? "0" : Long.toHexString(sums.getLong(2)));
  }

  private Column[] hashed() {
    List<Column> columns =
        new ArrayList<>(List.of(functions.col("document"), functions.col("input_ids")));
    if (settings.supervision() != null) {
      columns.add(functions.col("labels"));
    }
    return columns.toArray(Column[]::new);
  }

  /**
   * Sequences of one length, or of whole examples; the number of a sequence takes the document's
   * place.
   */
  private Dataset<Row> packed(Dataset<Row> rows, int bos) {
    int length = settings.packedLength();
    boolean whole = settings.supervision() != null;
    JavaRDD<Row> sequences =
        rows.javaRDD()
            .mapToPair(row -> new Tuple2<>(row.getLong(3) / DOCUMENTS_PER_PACK, row))
            .groupByKey()
            .sortByKey()
            .flatMap(
                pack ->
                    (whole ? packWhole(pack._2(), length) : pack(pack._2(), length, bos))
                        .iterator())
            .zipWithIndex()
            .map(
                pair -> {
                  Row row = pair._1();
                  return RowFactory.create(row.get(0), row.get(1), row.get(2), pair._2(), false);
                });
    return spark.createDataFrame(sequences, TOKENS).drop("held_out");
  }

  private static List<Row> ordered(Iterable<Row> documents) {
    List<Row> ordered = new ArrayList<>();
    documents.forEach(ordered::add);
    ordered.sort(Comparator.comparingLong(row -> row.getLong(3)));
    return ordered;
  }

  private static List<Row> pack(Iterable<Row> documents, int length, int bos) {
    List<Row> sequences = new ArrayList<>();
    SequencePacker packer =
        new SequencePacker(length, bos, ids -> sequences.add(RowFactory.create(ids, null, null)));
    for (Row row : ordered(documents)) {
      packer.add(ints(row, 0));
    }
    return sequences;
  }

  private static List<Row> packWhole(Iterable<Row> documents, int length) {
    List<Row> rows = new ArrayList<>();
    ExamplePacker packer = new ExamplePacker(length, examples -> rows.add(joined(examples)));
    for (Row row : ordered(documents)) {
      packer.add(new LabelledTokens(ints(row, 0), ints(row, 1)));
    }
    packer.finish();
    return rows;
  }

  private static Row joined(List<LabelledTokens> examples) {
    return RowFactory.create(
        examples.stream().flatMapToInt(example -> IntStream.of(example.ids())).toArray(),
        examples.stream().flatMapToInt(example -> IntStream.of(example.labels())).toArray(),
        examples.stream().mapToInt(example -> example.ids().length).toArray());
  }

  private static int[] ints(Row row, int column) {
    return row.<Integer>getList(column).stream().mapToInt(Integer::intValue).toArray();
  }
}
