package org.sinklora.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import org.apache.hadoop.fs.Path;

/**
 * What is known of a prepared data set: {@code sinklora_dataset.json} beside its Parquet folders.
 *
 * @param layout {@code documents}: a row is a document; {@code packed}: a row is a sequence
 * @param length tokens of a packed row; 0 for documents
 * @param model location of the model whose tokenizer was used
 * @param tokenizer fingerprint of the tokenizer
 * @param vocabularySize of the tokenizer
 * @param bos the token that begins a document; −1 if the tokenizer has none
 * @param heldOutShare share of the documents that was held out
 * @param train what there is to train on
 * @param heldOut what there is to evaluate on
 */
record DataSetInfo(
    String layout,
    int length,
    String model,
    String tokenizer,
    int vocabularySize,
    int bos,
    double heldOutShare,
    Part train,
    Part heldOut) {
  static final String FILE = "sinklora_dataset.json";
  static final String DOCUMENTS = "documents";
  static final String PACKED = "packed";
  private static final JsonMapper JSON = new JsonMapper();

  /**
   * One side of the split.
   *
   * @param rows number of rows
   * @param tokens number of tokens
   * @param contentHash of all rows, whatever their order
   */
  record Part(long rows, long tokens, String contentHash) {}

  static DataSetInfo read(Storage storage, String dataSet) throws IOException {
    Path file = new Path(dataSet, FILE);
    if (!storage.exists(file)) {
      throw new UserException(
          storage.exists(new Path(dataSet))
              ? "%s has no %s: not a data set that 'sinklora prepare' wrote"
                  .formatted(dataSet, FILE)
              : "There is no data set %s; make one with 'sinklora prepare --input TEXTS --output %s'"
                  .formatted(dataSet, dataSet));
    }
    try {
      return JSON.readValue(storage.readText(file), DataSetInfo.class);
    } catch (JsonProcessingException e) {
      throw new UserException(
          "%s is damaged (%s); prepare the data set again".formatted(file, e.getOriginalMessage()),
          e);
    }
  }

  String toJson() {
    return JSON.valueToTree(this).toPrettyString() + "\n";
  }

  Part part(Split split) {
    return split == Split.TRAIN ? train : heldOut;
  }
}
