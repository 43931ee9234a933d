package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.parquet.hadoop.ParquetFileReader;
import org.apache.parquet.hadoop.util.HadoopInputFile;
import org.apache.spark.HashPartitioner;
import org.apache.spark.broadcast.Broadcast;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.util.LongAccumulator;
import org.sinklora.data.AnsweredText;
import org.sinklora.data.Document;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import scala.Tuple2;

/**
 * The tokens of the chosen texts, a file for each chunk, in a hidden working folder beside the
 * output. A file is named after all that its content depends on and appears complete or not at all:
 * what an interrupted run has finished, the next one finds.
 */
final class TokenParts {
  /** Raised where the same texts become other tokens: what is there already is then made anew. */
  static final String VERSION = "2";

  private final SparkSession spark;
  private final PreparationSettings settings;
  private final String field;
  private final String folder;

  /**
   * @param field of JSON lines and Parquet that holds the text
   * @param output of the data set
   */
  TokenParts(SparkSession spark, PreparationSettings settings, String field, String output) {
    this.spark = spark;
    this.settings = settings;
    this.field = field;
    this.folder = folder(output);
  }

  /** The working folder of a data set; the same in every run. */
  static String folder(String output) {
    String trimmed = output.replaceFirst("/+$", "");
    String name = Storage.name(trimmed);
    return trimmed.substring(0, trimmed.length() - name.length()) + "._" + name + ".parts";
  }

  /**
   * Tokenises what is not there yet; removes parts that are no longer of use.
   *
   * @param kept {@code chunk}, {@code position} and {@code characters} of the texts
   * @param tokenizer fingerprint of the tokenizer
   * @param done counts the characters of the chunks that are done
   * @param made counts the tokens that were made
   */
  List<TokenPart> write(
      List<TextChunk> chunks,
      Dataset<Row> kept,
      String tokenizer,
      LongAccumulator done,
      LongAccumulator made)
      throws IOException {
    Storage storage = SparkSessions.storage(spark);
    storage.createFolder(folder);
    Task task =
        new Task(
            settings,
            field,
            folder,
            tokenizer,
            SparkSessions.context(spark).broadcast(chunks),
            done,
            made);
    List<TokenPart> parts =
        new ArrayList<>(
            kept.select("chunk", "position", "characters")
                .javaRDD()
                .mapToPair(
                    row -> new Tuple2<>(row.getInt(0), new Tuple2<>(row.getInt(1), row.getLong(2))))
                // One task for each chunk, so that each part is finished by itself.
                .partitionBy(new HashPartitioner(Math.max(1, chunks.size())))
                .mapPartitions(task::run)
                .collect());
    Set<String> used =
        new HashSet<>(parts.stream().map(part -> Storage.name(part.file())).toList());
    for (StoredFile file : storage.list(folder)) {
      if (!used.contains(file.name())) {
        storage.delete(file.path());
      }
    }
    return parts;
  }

  /** Removes the working folder. */
  void delete() throws IOException {
    SparkSessions.storage(spark).delete(folder);
  }

  /** What a task does with the chosen texts of one chunk. */
  private record Task(
      PreparationSettings settings,
      String field,
      String folder,
      String tokenizer,
      Broadcast<List<TextChunk>> chunks,
      LongAccumulator done,
      LongAccumulator made)
      implements Serializable {

    Iterator<TokenPart> run(Iterator<Tuple2<Integer, Tuple2<Integer, Long>>> kept)
        throws IOException {
      if (!kept.hasNext()) {
        return List.<TokenPart>of().iterator();
      }
      long start = TaskClock.nanos();
      int number = -1;
      long characters = 0;
      int[] positions = new int[1024];
      int count = 0;
      while (kept.hasNext()) {
        Tuple2<Integer, Tuple2<Integer, Long>> text = kept.next();
        number = text._1();
        if (count == positions.length) {
          positions = Arrays.copyOf(positions, 2 * count);
        }
        positions[count++] = text._2()._1();
        characters += text._2()._2();
      }
      positions = Arrays.copyOf(positions, count);
      Arrays.sort(positions);
      TextChunk chunk = chunks.value().get(number);
      String file = Storage.child(folder, name(chunk, positions));
      Storage storage = SparkSessions.taskStorage();
      TokenPart part = storage.exists(file) ? found(file) : null;
      if (part == null) {
        part = make(chunk, positions, file, storage, start);
        made.add(part.tokens());
      }
      done.add(characters);
      return List.of(part).iterator();
    }

    private String name(TextChunk chunk, int[] positions) {
      String all =
          String.join(
              "\n",
              VERSION,
              chunk.fingerprint(),
              field,
              tokenizer,
              settings.heldOut().toString(),
              Integer.toString(settings.supervision() == null ? 0 : settings.packedLength()),
              Objects.toString(settings.supervision()),
              Arrays.toString(positions));
      return Document.ofContent(all).name() + ".parquet";
    }

    /** A part that is there; null if its end is missing, as after a machine's crash. */
    private static TokenPart found(String file) {
      Configuration configuration = HadoopSettings.here();
      try (ParquetFileReader reader =
          ParquetFileReader.open(HadoopInputFile.fromPath(new Path(file), configuration))) {
        return TokenPart.of(file, reader.getFileMetaData().getKeyValueMetaData());
      } catch (IOException | RuntimeException e) {
        return null;
      }
    }

    private TokenPart make(
        TextChunk chunk, int[] positions, String file, Storage storage, long start)
        throws IOException {
      String fresh = Storage.sibling(file, "tmp");
      Counts counts = new Counts();
      try {
        try (ChunkReader reader = ChunkReader.open(chunk, field, settings);
            TokenPartWriter writer =
                new TokenPartWriter(
                    fresh,
                    settings.supervision() != null,
                    HadoopSettings.here(),
                    () -> counts.part(file, start).counts())) {
          write(reader, positions, chunk, writer, counts);
        }
        storage.delete(file);
        storage.move(fresh, file);
      } finally {
        storage.delete(fresh);
      }
      return counts.part(file, start);
    }

    private void write(
        ChunkReader reader, int[] positions, TextChunk chunk, TokenPartWriter writer, Counts counts)
        throws IOException {
      Tokenizer encoder = ExecutorTokenizers.of(settings.model());
      int position = -1;
      for (int wanted : positions) {
        Text text = null;
        for (; position < wanted; position++) {
          text = reader.next();
        }
        if (text == null) {
          throw new UserException(
              "%s changed while it was read; prepare again".formatted(chunk.source().file()));
        }
        write(text, encoder, writer, counts);
      }
    }

    private void write(Text text, Tokenizer encoder, TokenPartWriter writer, Counts counts)
        throws IOException {
      boolean heldOut = settings.heldOut().holdsOut(text.name());
      if (text.answers() == null) {
        int[] ids = TokenDocuments.encode(encoder, text.text());
        writer.write(text.name(), heldOut, ids, null);
        counts.add(ids.length);
        return;
      }
      LabelledTokens tokens = new AnsweredText(text.text(), text.answers()).encode(encoder);
      int length = tokens.ids().length;
      if (settings.packedLength() > 0 && length > settings.packedLength()) {
        counts.addTooLong(text.text().codePointCount(0, text.text().length()), length);
      } else {
        writer.write(text.name(), heldOut, tokens.ids(), tokens.labels());
        counts.add(length);
      }
    }
  }

  /** Counts of a part that is being made. */
  private static final class Counts {
    private long documents;
    private long tokens;
    private long tooLong;
    private long tooLongCharacters;
    private long tooLongTokens;

    void add(int length) {
      documents++;
      tokens += length;
    }

    void addTooLong(int characters, int length) {
      tooLong++;
      tooLongCharacters += characters;
      tooLongTokens = Math.max(tooLongTokens, length);
    }

    TokenPart part(String file, long start) {
      long nanos = Math.max(1, TaskClock.nanos() - start);
      return new TokenPart(
          file, documents, tokens, tooLong, tooLongCharacters, tooLongTokens, nanos);
    }
  }
}
