package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Locale;
import java.util.zip.CRC32C;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.TokenStream;

/**
 * What is known of a prepared data set: {@code sinklora_dataset.json} beside its Parquet folders or
 * token files.
 *
 * @param files {@code parquet} or {@code tokens}; null, from before there were token files, for
 *     Parquet
 * @param layout {@code documents}: a row is a document; {@code packed}: a row is a sequence
 * @param length tokens of a packed row, at most; 0 for documents
 * @param model location of the model whose tokenizer was used
 * @param tokenizer fingerprint of the tokenizer
 * @param vocabularySize of the tokenizer
 * @param bos the token that begins a document; −1 if the tokenizer has none
 * @param heldOutShare share of the documents that was held out
 * @param chatTemplate what rendered the conversations, of which only the answers bear loss; null
 *     for plain texts
 * @param request fingerprint of the inputs and of what was asked for; null where nobody asks again
 * @param train what there is to train on
 * @param heldOut what there is to evaluate on
 */
record DataSetInfo(
    String files,
    String layout,
    int length,
    String model,
    String tokenizer,
    int vocabularySize,
    int bos,
    double heldOutShare,
    String chatTemplate,
    String request,
    Part train,
    Part heldOut) {
  static final String FILE = "sinklora_dataset.json";
  static final String PARQUET = "parquet";
  static final String TOKENS = "tokens";
  static final String DOCUMENTS = "documents";
  static final String PACKED = "packed";
  private static final int HASHED_AT_A_TIME = 1 << 20;
  private static final int LARGEST_UINT16_VOCABULARY = 1 << 16;
  private static final JsonMapper JSON = new JsonMapper();

  /**
   * One side of the split.
   *
   * @param rows number of rows
   * @param tokens number of tokens
   * @param contentHash of all rows, whatever their order
   */
  record Part(long rows, long tokens, String contentHash) {

    /** Documents in memory. */
    static Part of(List<int[]> documents) throws IOException {
      return of(TokenDocuments.of(documents).stream(), documents.size());
    }

    /** Documents one behind the other. */
    static Part of(TokenStream stream, int documents) throws IOException {
      CRC32C hash = new CRC32C();
      for (long at = 0; at < stream.size(); at += HASHED_AT_A_TIME) {
        int[] ids = stream.read(at, (int) Math.min(HASHED_AT_A_TIME, stream.size() - at));
        ByteBuffer bytes = ByteBuffer.allocate(ids.length * Integer.BYTES);
        bytes.asIntBuffer().put(ids);
        hash.update(bytes);
      }
      return new Part(
          documents,
          stream.size(),
          String.format(Locale.ROOT, "%d-%08x", stream.size(), hash.getValue()));
    }
  }

  static DataSetInfo read(Storage storage, String dataSet) throws IOException {
    storage.recover(dataSet);
    String file = Storage.child(dataSet, FILE);
    if (!storage.exists(file)) {
      throw new UserException(
          storage.exists(dataSet)
              ? "%s has no %s: not a data set that 'sinklora prepare' wrote"
                  .formatted(dataSet, FILE)
              : "There is no data set %s; make one with 'sinklora prepare --input TEXTS --output %s'"
                  .formatted(dataSet, dataSet));
    }
    try {
      DataSetInfo info = JSON.readValue(storage.readText(file), DataSetInfo.class);
      if (info == null
          || info.layout == null
          || info.tokenizer == null
          || info.train == null
          || info.heldOut == null) {
        throw new UserException(
            "%s is damaged: it does not say what the data set holds; prepare the data set again"
                .formatted(file));
      }
      return info;
    } catch (JsonProcessingException e) {
      throw new UserException(
          "%s is damaged (%s); prepare the data set again".formatted(file, e.getOriginalMessage()),
          e);
    }
  }

  String toJson() {
    return JSON.valueToTree(this).toPrettyString() + "\n";
  }

  /** Whether the rows are token files, which need no Spark to be read. */
  boolean isTokens() {
    return TOKENS.equals(files);
  }

  /** Whether the rows are conversations with labels. */
  boolean supervised() {
    return chatTemplate != null;
  }

  boolean packed() {
    return layout.equals(PACKED);
  }

  /** Name of the token file of a side. */
  String tokenFile(Split split) {
    return tokenFile(split, vocabularySize);
  }

  /** Name of the token file of a side. */
  static String tokenFile(Split split, int vocabularySize) {
    return split.folder() + (vocabularySize > LARGEST_UINT16_VOCABULARY ? ".u32.bin" : ".bin");
  }

  Part part(Split split) {
    return split == Split.TRAIN ? train : heldOut;
  }
}
