package org.sinklora.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.OptionalInt;

/** Text to token ids and back. Safe for use by several threads until it is closed. */
public interface Tokenizer extends AutoCloseable {
  /**
   * The ids of the whole text, however long, without a special token added in front or behind. A
   * special token that the text itself spells, such as {@code </s>}, becomes that token, as in
   * Hugging Face's library; chat templates depend on it. A surrogate that stands alone counts as
   * {@code ?}, since it has no encoding.
   *
   * @throws IllegalStateException if the tokenizer is closed
   */
  int[] encode(String text);

  /**
   * As {@link #encode}, but neither BOS nor EOS comes of what the text spells: they are for who
   * joins documents, and a reader takes each for the bound of one.
   *
   * @throws IllegalArgumentException if the tokenizer has no other token for what the text spells
   * @throws IllegalStateException if the tokenizer is closed
   */
  int[] encodeContent(String text);

  /**
   * Tokens and the part of the text that each came from.
   *
   * @param ids as {@link #encode} gives them
   * @param starts where each begins, in Unicode code points
   * @param ends where each ends; some tokenizers give white space no width
   */
  record Spans(int[] ids, int[] starts, int[] ends) {}

  /**
   * As {@link #encode}, with where in the text each token stands.
   *
   * @throws IllegalStateException if the tokenizer is closed
   */
  Spans encodeSpans(String text);

  /**
   * The text of the ids, special tokens spelled out. Bytes that are no UTF-8, such as half a
   * character at an end, become U+FFFD.
   *
   * @throws IllegalArgumentException if an id lies outside [0, {@link #vocabularySize()})
   * @throws IllegalStateException if the tokenizer is closed
   */
  String decode(int[] ids);

  /** The token that begins a text, empty if the model has none. */
  OptionalInt bosId();

  /** The token that ends a text, empty if the model has none; the first if it has several. */
  OptionalInt eosId();

  /** The token that fills up a batch, empty if the model has none. */
  OptionalInt padId();

  /** One more than the largest id. The model's embedding may have more rows, never fewer. */
  int vocabularySize();

  /**
   * A hash of everything that decides which ids a text becomes: 64 hexadecimal digits. Data that
   * was prepared with another fingerprint does not fit this tokenizer.
   */
  String fingerprint();

  @Override
  void close();

  /**
   * Loads the tokenizer of a model folder in Hugging Face layout from {@code tokenizer.json}, and
   * the names of its special tokens from {@code tokenizer_config.json} or, where that is silent,
   * their ids from {@code generation_config.json} or {@code config.json}. Makes no network access.
   *
   * @throws IOException if {@code tokenizer.json} is missing or one of the files is malformed
   */
  static Tokenizer load(Path modelFolder) throws IOException {
    return DjlTokenizer.load(modelFolder);
  }
}
