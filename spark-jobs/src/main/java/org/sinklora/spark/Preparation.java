package org.sinklora.spark;

import static org.apache.spark.sql.functions.col;
import static org.apache.spark.sql.functions.count;
import static org.apache.spark.sql.functions.lit;
import static org.apache.spark.sql.functions.sum;
import static org.apache.spark.sql.functions.when;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.sql.Column;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.storage.StorageLevel;
import org.apache.spark.util.LongAccumulator;
import org.sinklora.data.LongText;
import org.sinklora.data.Tokenizer;

/**
 * Texts to a token data set, in four steps: a survey reads all texts and keeps a hash of each; from
 * these it is chosen which go in; the chosen ones are read again and tokenised, each chunk by
 * itself ({@link TokenParts}); the documents are sorted by name, numbered and written, packed if
 * asked to. No text moves between machines, tokens once.
 *
 * <p>The result depends on the texts' names and contents alone: not on how many tasks there are or
 * which comes first. The driver holds the list of input files and a few numbers for each chunk.
 */
final class Preparation {
  /** Stands for no reason to drop a text. */
  private static final String KEPT = "";

  /** 128 MiB. */
  private static final long TOKENS_PER_CUT = 32 << 20;

  private final SparkSession spark;
  private final PreparationSettings settings;
  private final long chunkBytes;

  Preparation(SparkSession spark, PreparationSettings settings) {
    this(spark, settings, TextChunk.BYTES);
  }

  /**
   * @param chunkBytes from which on an input is cut
   */
  Preparation(SparkSession spark, PreparationSettings settings, long chunkBytes) {
    this.spark = spark;
    this.settings = settings;
    this.chunkBytes = chunkBytes;
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
              texts,
              request.field(),
              tokenizer,
              request.output(),
              fingerprint,
              request.keepParts());
    }
  }

  /**
   * Writes the data set; it appears complete or not at all.
   *
   * @param field of JSON lines and Parquet that holds the text
   * @param request fingerprint of what was asked for; may be null
   * @param keepParts whether the working folder stays
   */
  Prepared write(
      TextSources texts,
      String field,
      Tokenizer tokenizer,
      String output,
      String request,
      boolean keepParts)
      throws IOException {
    try (JobDescription job = JobDescription.of("prepare: choosing the texts")) {
      return make(texts, field, tokenizer, output, request, keepParts);
    }
  }

  private Prepared make(
      TextSources texts,
      String field,
      Tokenizer tokenizer,
      String output,
      String request,
      boolean keepParts)
      throws IOException {
    long start = System.nanoTime();
    int bos = tokenizer.bosId().orElse(-1);
    if (settings.packedLength() > 0 && bos < 0 && settings.supervision() == null) {
      throw new UserException(
          "The tokenizer has no BOS, which tells packed documents apart; leave out --pack");
    }
    List<TextChunk> chunks = TextChunk.cut(texts, chunkBytes);
    LongAccumulator read = counter("bytes read");
    Dataset<Row> survey =
        new TextSurvey(spark, settings, field).of(chunks, read).persist(StorageLevel.DISK_ONLY());
    Dataset<Row> selected =
        new TextSelection(spark, settings).select(survey).persist(StorageLevel.DISK_ONLY());
    Storage storage = SparkSessions.storage(spark);
    String fresh = Storage.sibling(output, "tmp");
    try {
      survey(survey, chunks, read);
      Map<String, Choice> choices = choices(selected);
      if (!choices.containsKey(KEPT)) {
        throw TokenizedTexts.noneLeft(settings.minimumCharacters());
      }
      TokenParts work = new TokenParts(spark, settings, field, output);
      List<TokenPart> parts =
          tokenize(work, chunks, selected, choices.get(KEPT), tokenizer.fingerprint());
      if (parts.stream().allMatch(part -> part.documents() == 0)) {
        throw noneFits(parts);
      }
      DataSetInfo info = write(parts, tokenizer, request, fresh);
      if (settings.packedLength() > 0 && info.train().rows() == 0 && info.heldOutShare() < 1) {
        throw new UserException(
            "There is nothing to pack: of %,d documents, %,d are held out (--held-out %s); give more text or a smaller share"
                .formatted(
                    parts.stream().mapToLong(TokenPart::documents).sum(),
                    info.heldOut().rows(),
                    info.heldOutShare()));
      }
      storage.writeText(Storage.child(fresh, DataSetInfo.FILE), info.toJson());
      QualityReport report = report(choices, parts, info, start);
      storage.writeText(
          Storage.child(fresh, QualityReport.FILE), report.json().toPrettyString() + "\n");
      storage.replace(fresh, output, DataSetInfo.FILE);
      if (!keepParts) {
        work.delete();
      }
      return new Prepared(info, report);
    } finally {
      selected.unpersist();
      survey.unpersist();
      storage.delete(fresh);
    }
  }

  /** Texts that were chosen are left out for their length alone. */
  private UserException noneFits(List<TokenPart> parts) {
    return new UserException(
        "No document is left: each of the %,d conversations is longer than --pack %,d, the longest has %,d tokens; choose a larger --pack, or leave it out"
            .formatted(
                parts.stream().mapToLong(TokenPart::tooLong).sum(),
                settings.packedLength(),
                parts.stream().mapToLong(TokenPart::tooLongTokens).max().orElse(0)));
  }

  private LongAccumulator counter(String what) {
    return spark.sparkContext().longAccumulator("prepare: " + what);
  }

  /** Reads all texts, once: what it finds stays on disk. */
  private void survey(Dataset<Row> survey, List<TextChunk> chunks, LongAccumulator read) {
    long bytes = chunks.stream().mapToLong(TextChunk::bytes).sum();
    try (JobDescription job = JobDescription.of("prepare: reading the texts");
        JobProgress shown =
            new JobProgress("Reading the texts", "MB", bytes / 1e6, () -> read.value() / 1e6)) {
      survey.count();
      shown.finish();
    }
  }

  /** How many texts and characters are dropped for a reason, or kept, and how many are long. */
  private record Choice(long documents, long characters, long longDocuments) {}

  private Map<String, Choice> choices(Dataset<Row> selected) {
    Column isLong = when(col("characters").gt(LongText.SEGMENT), 1).otherwise(0);
    List<Row> rows;
    String what = settings.nearDuplicates() > 0 ? "near duplicates" : "duplicates";
    try (JobDescription job = JobDescription.of("prepare: looking for " + what)) {
      rows =
          selected
              .groupBy("dropped")
              .agg(count(lit(1)), sum("characters"), sum(isLong))
              .collectAsList();
    }
    Map<String, Choice> found = new TreeMap<>();
    for (Row row : rows) {
      found.put(
          row.isNullAt(0) ? KEPT : row.getString(0),
          new Choice(row.getLong(1), row.getLong(2), row.getLong(3)));
    }
    return found;
  }

  private List<TokenPart> tokenize(
      TokenParts work, List<TextChunk> chunks, Dataset<Row> selected, Choice kept, String tokenizer)
      throws IOException {
    LongAccumulator done = counter("characters tokenised");
    LongAccumulator made = counter("tokens made");
    int cores = ExecutorWait.of(SparkSessions.context(spark)).cores();
    try (JobDescription job = JobDescription.of("prepare: tokenising the texts");
        JobProgress shown =
            new JobProgress(
                "Tokenising", "M characters", kept.characters() / 1e6, () -> done.value() / 1e6)) {
      shown.note(
          seconds ->
              "%,d tokens, %,.0f tokens/s per core"
                  .formatted(made.value(), made.value() / seconds / cores));
      List<TokenPart> parts =
          work.write(chunks, selected.filter(col("dropped").isNull()), tokenizer, done, made);
      shown.finish();
      return parts;
    }
  }

  private DataSetInfo write(
      List<TokenPart> parts, Tokenizer tokenizer, String request, String folder) {
    String[] files =
        parts.stream()
            .filter(part -> part.documents() > 0)
            .map(TokenPart::file)
            .toArray(String[]::new);
    long tokens = parts.stream().mapToLong(TokenPart::tokens).sum();
    try (JobDescription job = JobDescription.of("prepare: sorting the documents");
        NumberedRows documents =
            NumberedRows.of(
                SparkSessions.parquet(spark, files)
                    .repartitionByRange(cuts(tokens), col("name"))
                    .sortWithinPartitions("name"))) {
      return new DataSetInfo(
          DataSetInfo.PARQUET,
          settings.packedLength() > 0 ? DataSetInfo.PACKED : DataSetInfo.DOCUMENTS,
          settings.packedLength(),
          settings.model().location(),
          tokenizer.fingerprint(),
          tokenizer.vocabularySize(),
          tokenizer.bosId().orElse(-1),
          settings.heldOut().share(),
          settings.supervision() == null ? null : settings.supervision().template(),
          request,
          writeTrain(documents.rows(), tokens, tokenizer.bosId().orElse(-1), folder),
          writeDocuments(documents.rows(), Split.HELD_OUT, folder));
    }
  }

  /**
   * Tasks that sort so many tokens: at least one a core, and none has more than its memory takes.
   */
  private int cuts(long tokens) {
    long cuts = tokens / TOKENS_PER_CUT + 1;
    return (int) Math.max(ExecutorWait.of(SparkSessions.context(spark)).parallelism(), cuts);
  }

  private DataSetInfo.Part writeTrain(Dataset<Row> documents, long tokens, int bos, String folder) {
    if (settings.packedLength() == 0) {
      return writeDocuments(documents, Split.TRAIN, folder);
    }
    PackedRows packing = new PackedRows(spark, settings.packedLength(), bos, cuts(tokens));
    Dataset<Row> train = documents.filter(col("held_out").equalTo(false));
    boolean supervised = settings.supervision() != null;
    try (JobDescription job = JobDescription.of("prepare: packing the sequences");
        NumberedRows rows =
            NumberedRows.of(supervised ? packing.examples(train) : packing.documents(train))) {
      return writeRows(rows.rows(), Split.TRAIN, folder);
    }
  }

  private DataSetInfo.Part writeDocuments(Dataset<Row> documents, Split split, String folder) {
    return writeRows(
        documents.filter(col("held_out").equalTo(split == Split.HELD_OUT)).drop("name", "held_out"),
        split,
        folder);
  }

  private DataSetInfo.Part writeRows(Dataset<Row> rows, Split split, String folder) {
    try (JobDescription job = JobDescription.of("prepare: writing " + split.folder())) {
      return writeRows(rows, Storage.child(folder, split.folder()));
    }
  }

  private DataSetInfo.Part writeRows(Dataset<Row> rows, String target) {
    rows.write()
        // A row can be as large as a page: look at the size more often than the library does.
        .option("parquet.page.size.row.check.min", "4")
        .option("parquet.block.size.row.check.min", "4")
        .parquet(target);
    return ParquetTokens.part(spark, target, settings.supervision() != null);
  }

  private QualityReport report(
      Map<String, Choice> choices, List<TokenPart> parts, DataSetInfo info, long start) {
    Map<String, Long> dropped = new TreeMap<>();
    choices.forEach(
        (reason, choice) -> {
          if (!reason.equals(KEPT)) {
            dropped.put(reason, choice.documents());
          }
        });
    long tooLong = parts.stream().mapToLong(TokenPart::tooLong).sum();
    if (tooLong > 0) {
      dropped.put(QualityReport.TOO_LONG, tooLong);
    }
    Choice kept = choices.get(KEPT);
    List<TokenPart> made = parts.stream().filter(part -> !part.found()).toList();
    DataSetInfo.Part train = info.train();
    return new QualityReport(
        choices.values().stream().mapToLong(Choice::documents).sum(),
        choices.values().stream().mapToLong(Choice::characters).sum(),
        kept.documents() - tooLong,
        kept.characters() - parts.stream().mapToLong(TokenPart::tooLongCharacters).sum(),
        parts.stream().mapToLong(TokenPart::tokens).sum(),
        kept.longDocuments(),
        dropped,
        info.packed() && train.rows() > 0
            ? train.tokens() / ((double) train.rows() * info.length())
            : null,
        new QualityReport.Tokenizing(
            made.stream().mapToLong(TokenPart::tokens).sum(),
            made.stream().mapToLong(TokenPart::nanos).sum() / 1e9,
            parts.size(),
            parts.size() - made.size()),
        (System.nanoTime() - start) / 1e9,
        ExecutorWait.of(SparkSessions.context(spark)).cores());
  }
}
