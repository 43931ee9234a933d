package org.sinklora.spark;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.Perplexity;

/**
 * The perplexity of documents, each from its BOS to the end of the context, under full attention.
 *
 * @param model with the adapter's context
 * @param hash of the adapter
 * @param threads of a task
 */
record RowPerplexity(ModelSource model, Broadcast<AdapterFiles> adapter, String hash, int threads)
    implements RowOutput {

  @Override
  public int[] tokens(Tokenizer tokenizer, String text) {
    return TokenDocuments.encode(tokenizer, text);
  }

  @Override
  public List<Object> of(List<int[]> rows) {
    EvaluationWorker.Key key = new EvaluationWorker.Key(model, hash, threads);
    return TaskWorkers.with(
        key,
        () -> EvaluationWorker.create(key, adapter),
        (EvaluationWorker worker) -> perplexities(worker, rows));
  }

  private List<Object> perplexities(EvaluationWorker worker, List<int[]> rows) {
    int context = model.config().contextLength();
    List<Object> values = new ArrayList<>();
    for (int[] row : rows) {
      int[] window = row.length > context ? Arrays.copyOf(row, context) : row;
      // A single token has none before it.
      values.add(
          window.length < 2
              ? null
              : Perplexity.of(List.of(worker.evaluate(window, Integer.MAX_VALUE))).value());
    }
    return values;
  }
}
