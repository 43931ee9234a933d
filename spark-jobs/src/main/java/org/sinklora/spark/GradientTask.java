package org.sinklora.spark;

import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.function.Function2;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.compute.NativeSupport;

/** A task of a training round: the summed gradient of one partition's sequences. */
final class GradientTask implements Function2<Integer, Iterator<Sequence>, Iterator<RoundSum>> {
  private static final long serialVersionUID = 1;

  private final GradientWorker.Key key;
  private final Broadcast<RoundValues> adapter;
  private final long step;
  private final long predictions;

  /**
   * @param adapter values at the beginning of the step, where they are no more the initial ones
   * @param step counted from 0
   * @param predictions of all sequences of the step
   */
  GradientTask(
      GradientWorker.Key key, Broadcast<RoundValues> adapter, long step, long predictions) {
    this.key = key;
    this.adapter = adapter;
    this.step = step;
    this.predictions = predictions;
  }

  @Override
  public Iterator<RoundSum> call(Integer partition, Iterator<Sequence> sequences) {
    return TaskWorkers.with(
        key,
        () -> GradientWorker.create(key),
        (GradientWorker worker) -> {
          worker.begin(adapter.value());
          long begun = System.nanoTime();
          double loss = 0;
          while (sequences.hasNext()) {
            loss += worker.accumulate(step, sequences.next().batch(), predictions);
          }
          RoundSum.TaskCost cost =
              new RoundSum.TaskCost(System.nanoTime() - begun, NativeSupport.processBytes());
          RoundSum sum =
              new RoundSum(partition, List.of(worker.gradients()), new double[] {loss}, cost);
          return List.of(sum).iterator();
        });
  }
}
