package org.sinklora.lora;

import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;

/**
 * Documents to train or evaluate on, one behind the other.
 *
 * @param ids token ids of all documents
 * @param labels what each token counts for as a target: its id, or {@link Device#IGNORED} where it
 *     bears no loss; as in Hugging Face, the model shifts them
 * @param documents where each document begins and ends
 * @param firstSequence number of the first document in the whole run; with the seed it decides what
 *     dropout drops, so that a batch trains the same however it is cut
 */
public record TokenBatch(int[] ids, int[] labels, Documents documents, long firstSequence) {

  public TokenBatch {
    if (ids.length != documents.tokens() || labels.length != ids.length) {
      throw new IllegalArgumentException(
          "%d ids and %d labels for documents of %d tokens"
              .formatted(ids.length, labels.length, documents.tokens()));
    }
  }

  /** A batch in which every token bears loss. */
  public static TokenBatch of(List<int[]> documents, long firstSequence) {
    int[] lengths = documents.stream().mapToInt(document -> document.length).toArray();
    Documents bounds = Documents.ofLengths(lengths);
    int[] ids = new int[bounds.tokens()];
    for (int d = 0; d < lengths.length; d++) {
      System.arraycopy(documents.get(d), 0, ids, bounds.start(d), lengths[d]);
    }
    return new TokenBatch(ids, ids, bounds, firstSequence);
  }

  /** A batch in which every token bears loss. */
  public static TokenBatch of(int[]... documents) {
    return of(List.of(documents), 0);
  }

  public int tokens() {
    return ids.length;
  }

  /** The target of each token: the label of the next one in its document, if there is one. */
  void targets(int[] targets) {
    for (int d = 0; d < documents.count(); d++) {
      int first = documents.start(d);
      int last = documents.end(d) - 1;
      System.arraycopy(labels, first + 1, targets, first, last - first);
      targets[last] = Device.IGNORED;
    }
  }

  /** Number of tokens whose prediction bears loss. */
  public int predictions() {
    int predictions = 0;
    for (int d = 0; d < documents.count(); d++) {
      for (int t = documents.start(d) + 1; t < documents.end(d); t++) {
        predictions += labels[t] == Device.IGNORED ? 0 : 1;
      }
    }
    return predictions;
  }
}
