package org.sinklora.spark;

import java.util.List;
import org.sinklora.data.LabelledTokens;
import org.sinklora.data.SequencePlan;

/** One side of a data set: documents or packed sequences as token ids. */
interface TokenDataSet {

  /** What is known of the whole data set. */
  DataSetInfo info();

  /** Tokens of each row, in the order of the documents. */
  int[] lengths();

  /**
   * The tokens of these slices, in their order.
   *
   * @throws UserException if there is an id that the model has not
   */
  List<int[]> read(List<SequencePlan.Slice> slices);

  /**
   * A whole row with labels.
   *
   * @param tokens ids and labels
   * @param pieces tokens of each example in it
   */
  record Examples(LabelledTokens tokens, int[] pieces) {}

  /**
   * The same of a data set of conversations, whole rows alone.
   *
   * @throws UserException if there is an id that the model has not
   */
  default List<Examples> readExamples(List<SequencePlan.Slice> slices) {
    throw new UnsupportedOperationException("These tokens have no labels");
  }

  /** Refuses data of another tokenizer, or a side that is empty. */
  static void check(DataSetInfo info, String location, Split split, String tokenizer) {
    if (!info.tokenizer().equals(tokenizer)) {
      throw new UserException(
          "The data set %s was prepared with the tokenizer of %s, which is not this model's; prepare it again with --model"
              .formatted(location, info.model()));
    }
    if (info.part(split).rows() == 0) {
      throw new UserException(
          "The data set %s has no %s rows (held-out share %s); prepare it again with more text or another --held-out"
              .formatted(location, split.folder(), info.heldOutShare()));
    }
  }
}
