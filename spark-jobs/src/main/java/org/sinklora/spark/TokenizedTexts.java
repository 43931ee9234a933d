package org.sinklora.spark;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.sinklora.data.Document;
import org.sinklora.data.LongText;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.TokenFile;
import org.sinklora.data.TokenFileWriter;
import org.sinklora.data.Tokenizer;

/**
 * Texts as documents of tokens, made by this process: in the order of their names, each name once,
 * as {@link Preparation} makes them with Spark.
 *
 * <p>Each text is read once, and of equal ones one is tokenised. Its tokens wait in a file until
 * all names are known, so that memory holds a hash, a name and some numbers of every text, and a
 * batch of texts.
 */
final class TokenizedTexts {
  /** Characters that are tokenised together: enough for all cores. */
  static final int BATCH = 1 << 24;

  /**
   * A text that was tokenised.
   *
   * @param start of its tokens in the file
   * @param tokens how many there are
   * @param characters of the text
   * @param isLong whether it was tokenised in segments, see {@link LongText}
   */
  private record Content(long start, int tokens, int characters, boolean isLong) {}

  /** A name and the number of its content. */
  private record Named(String name, int content) {}

  private final TokenFile file;
  private final List<Content> contents;
  private final List<Named> kept = new ArrayList<>();
  private final Map<String, Long> dropped;
  private final long read;
  private final long readCharacters;
  private long keptCharacters;
  private long longDocuments;

  private TokenizedTexts(Reading reading, TokenFile file) {
    this.file = file;
    this.contents = reading.contents;
    this.dropped = reading.dropped;
    this.read = reading.read;
    this.readCharacters = reading.characters;
    choose(reading.named);
  }

  /**
   * @param minimumCharacters shorter texts are left out
   * @param folder receives a file that is read as long as this is in use
   * @param batch how many characters are tokenised together
   * @throws UserException if no text is left
   */
  static TokenizedTexts of(
      SourceTexts texts, Tokenizer tokenizer, int minimumCharacters, Path folder, int batch)
      throws IOException {
    Path file = folder.resolve("unsorted.u32.bin");
    try (TokenFileWriter writer = TokenFileWriter.create(file, tokenizer.vocabularySize())) {
      Reading reading = new Reading(tokenizer, Math.max(1, minimumCharacters), writer, batch);
      for (Text text = texts.next(); text != null; text = texts.next()) {
        reading.add(text);
      }
      reading.tokenize();
      writer.commit();
      if (reading.named.isEmpty()) {
        throw noneLeft(minimumCharacters);
      }
      return new TokenizedTexts(reading, TokenFile.open(file, tokenizer.vocabularySize()));
    }
  }

  static UserException noneLeft(int minimumCharacters) {
    return new UserException(
        minimumCharacters > 1
            ? "No document is left: the inputs are empty, or every text has fewer than the %,d characters of --min-characters"
                .formatted(minimumCharacters)
            : "No document is left: the inputs are empty, or hold nothing but empty texts");
  }

  /** Of equal texts, and of equal names, the first stays. */
  private void choose(List<Named> all) {
    all.sort(Comparator.comparing(Named::name));
    BitSet seen = new BitSet();
    String last = null;
    for (Named text : all) {
      if (seen.get(text.content())) {
        dropped.merge(QualityReport.DUPLICATE, 1L, Long::sum);
      } else if (text.name().equals(last)) {
        dropped.merge(QualityReport.SAME_NAME, 1L, Long::sum);
      } else {
        Content content = contents.get(text.content());
        keptCharacters += content.characters();
        longDocuments += content.isLong() ? 1 : 0;
        kept.add(text);
        last = text.name();
      }
      seen.set(text.content());
    }
  }

  /** How many documents there are. */
  int size() {
    return kept.size();
  }

  String name(int document) {
    return kept.get(document).name();
  }

  int[] ids(int document) throws IOException {
    Content content = contents.get(kept.get(document).content());
    return file.read(content.start(), content.tokens());
  }

  /** How many texts were read. */
  long read() {
    return read;
  }

  /** Characters of the texts that were read. */
  long readCharacters() {
    return readCharacters;
  }

  /** Characters of the documents. */
  long keptCharacters() {
    return keptCharacters;
  }

  /** How many documents were tokenised in segments, see {@link LongText}. */
  long longDocuments() {
    return longDocuments;
  }

  /** How many texts were left out, by reason. */
  Map<String, Long> dropped() {
    return dropped;
  }

  /** The texts on their way to the file. */
  private static final class Reading {
    private final Tokenizer tokenizer;
    private final int minimumCharacters;
    private final TokenFileWriter writer;
    private final int limit;
    private final Map<String, Integer> byHash = new HashMap<>();
    private final List<Content> contents = new ArrayList<>();
    private final List<Named> named = new ArrayList<>();
    private final Map<String, Long> dropped = new TreeMap<>();
    private final List<String> batch = new ArrayList<>();
    private long batchCharacters;
    private long read;
    private long characters;

    Reading(Tokenizer tokenizer, int minimumCharacters, TokenFileWriter writer, int limit) {
      this.tokenizer = tokenizer;
      this.minimumCharacters = minimumCharacters;
      this.writer = writer;
      this.limit = limit;
    }

    void add(Text text) throws IOException {
      int length = text.text().codePointCount(0, text.text().length());
      read++;
      characters += length;
      if (length < minimumCharacters) {
        dropped.merge(QualityReport.TOO_SHORT, 1L, Long::sum);
        return;
      }
      String hash = Document.ofContent(text.text()).name();
      Integer known = byHash.putIfAbsent(hash, byHash.size());
      // Many a text is named by its hash: once in memory is enough.
      String name = text.name().equals(hash) ? hash : text.name();
      named.add(new Named(name, known == null ? byHash.size() - 1 : known));
      if (known == null) {
        batch.add(text.text());
        batchCharacters += length;
        if (batchCharacters >= limit) {
          tokenize();
        }
      }
    }

    void tokenize() throws IOException {
      List<int[]> documents =
          batch.parallelStream().map(text -> TokenDocuments.encode(tokenizer, text)).toList();
      for (int i = 0; i < documents.size(); i++) {
        String text = batch.get(i);
        int[] ids = documents.get(i);
        contents.add(
            new Content(
                writer.size(),
                ids.length,
                text.codePointCount(0, text.length()),
                text.length() > LongText.SEGMENT));
        writer.write(ids);
      }
      batch.clear();
      batchCharacters = 0;
    }
  }
}
