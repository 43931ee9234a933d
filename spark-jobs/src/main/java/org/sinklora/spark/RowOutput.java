package org.sinklora.spark;

import java.io.IOException;
import java.io.Serializable;
import java.util.List;
import org.sinklora.data.Tokenizer;

/** What a {@link SinkLoraModel} computes for its rows, in the tasks. */
interface RowOutput extends Serializable {

  /** Whose tokenizer is used. */
  ModelSource model();

  /** The tokens that a text stands for. */
  int[] tokens(Tokenizer tokenizer, String text);

  /**
   * Values of the new column.
   *
   * @param rows token ids of each, as many as are computed together
   */
  List<Object> of(List<int[]> rows) throws IOException;
}
