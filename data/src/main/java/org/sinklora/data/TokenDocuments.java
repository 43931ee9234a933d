package org.sinklora.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Documents as token ids: BOS, the text's tokens, EOS. A tokenizer without BOS or EOS leaves the
 * one it lacks out.
 */
public final class TokenDocuments {
  /** What a held-out source file must have at least, in characters, to count. */
  public static final int HELD_OUT_CHARACTERS = 16_000;

  private final List<int[]> documents;

  private TokenDocuments(List<int[]> documents) {
    this.documents = documents;
  }

  /** Documents that were encoded before, by {@link #encode(Tokenizer, String)}. */
  public static TokenDocuments of(List<int[]> documents) {
    return new TokenDocuments(List.copyOf(documents));
  }

  /** Encodes every document, in their order. */
  public static TokenDocuments encode(Tokenizer tokenizer, List<Document> documents) {
    List<int[]> encoded = new ArrayList<>(documents.size());
    for (Document document : documents) {
      encoded.add(encode(tokenizer, document.text()));
    }
    return new TokenDocuments(encoded);
  }

  /**
   * The held-out set of the bundled model: the source files of a jar that are at least {@value
   * #HELD_OUT_CHARACTERS} characters long, ordered by name. Our published perplexities use {@code
   * org.apache.lucene:lucene-core:9.12.0:sources}, which no training text came from.
   *
   * @throws IOException as {@link SourceJar#read}
   */
  public static TokenDocuments heldOut(Tokenizer tokenizer, Path sourcesJar) throws IOException {
    List<Document> documents =
        SourceJar.read(sourcesJar).stream()
            .filter(document -> document.characters() >= HELD_OUT_CHARACTERS)
            .toList();
    return encode(tokenizer, documents);
  }

  /**
   * The tokens of one text as a document: BOS, the text's tokens, EOS. Those two stand nowhere
   * else, whatever the text spells.
   */
  public static int[] encode(Tokenizer tokenizer, String text) {
    return enclose(tokenizer, LongText.encode(tokenizer, text));
  }

  private static int[] enclose(Tokenizer tokenizer, int[] ids) {
    int before = tokenizer.bosId().isPresent() ? 1 : 0;
    int after = tokenizer.eosId().isPresent() ? 1 : 0;
    int[] document = new int[before + ids.length + after];
    tokenizer.bosId().ifPresent(bos -> document[0] = bos);
    System.arraycopy(ids, 0, document, before, ids.length);
    tokenizer.eosId().ifPresent(eos -> document[document.length - 1] = eos);
    return document;
  }

  public int size() {
    return documents.size();
  }

  /** A copy of the tokens of one document. */
  public int[] document(int index) {
    return documents.get(index).clone();
  }

  /** Number of tokens of one document, BOS and EOS included. */
  public int length(int index) {
    return documents.get(index).length;
  }

  /** Number of tokens of all documents, BOS and EOS included. */
  public long tokens() {
    return documents.stream().mapToLong(document -> document.length).sum();
  }

  /**
   * The windows of the per-document perplexity protocol: of each document with at least {@code
   * length} tokens, BOS and EOS included, the first {@code length}, that is BOS and the first
   * {@code length − 1} tokens of the text. Shorter documents give none.
   *
   * @param length tokens per window, at least 2 so that there is something to predict
   */
  public List<int[]> windows(int length) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "A window of " + length + " tokens predicts nothing; choose 2 or more");
    }
    return documents.stream()
        .filter(document -> document.length >= length)
        .map(document -> Arrays.copyOf(document, length))
        .toList();
  }

  /** All documents one after the other as one stream. */
  public TokenStream stream() {
    return new ConcatenatedTokens(documents);
  }
}
