package org.sinklora.spark;

import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;

/** A worker of a round of local steps, as a task; the partition's number is the worker's. */
final class LocalTask
    implements Function2<Integer, Iterator<List<List<Sequence>>>, Iterator<RoundSum>> {
  private static final long serialVersionUID = 1;

  private final LocalWorker.Key key;
  private final Broadcast<LocalState> start;

  LocalTask(LocalWorker.Key key, Broadcast<LocalState> start) {
    this.key = key;
    this.start = start;
  }

  @Override
  public Iterator<RoundSum> call(Integer worker, Iterator<List<List<Sequence>>> share) {
    return TaskWorkers.with(
        key,
        () -> LocalWorker.create(key),
        (LocalWorker local) ->
            List.of(local.steps().run(worker, start.value(), share.next())).iterator());
  }
}
