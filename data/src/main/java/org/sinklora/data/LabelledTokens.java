package org.sinklora.data;

/**
 * Tokens and what each counts for as a target.
 *
 * @param ids token ids
 * @param labels of each token: its id, or {@link #IGNORED} where it bears no loss; as in Hugging
 *     Face, the model shifts them
 */
public record LabelledTokens(int[] ids, int[] labels) {
  /** The label of a token that bears no loss, as in PyTorch. */
  public static final int IGNORED = -100;

  public LabelledTokens {
    if (ids.length != labels.length) {
      throw new IllegalArgumentException(
          "%d ids and %d labels".formatted(ids.length, labels.length));
    }
  }

  /** Number of tokens that bear loss. */
  public int answerTokens() {
    int count = 0;
    for (int label : labels) {
      count += label == IGNORED ? 0 : 1;
    }
    return count;
  }
}
