package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;

/** The workers of local rounds as tasks of a Spark job, one each. */
final class SparkWorkers implements LocalRounds.Workers {
  private final JavaSparkContext spark;
  private final LocalWorker.Key key;
  private final int parallel;

  /**
   * @param parallel tasks that run at a time
   */
  SparkWorkers(JavaSparkContext spark, LocalWorker.Key key, int parallel) {
    this.spark = spark;
    this.key = key;
    this.parallel = parallel;
  }

  @Override
  public RoundSum run(LocalState start, List<List<List<Sequence>>> shares) {
    return RepeatableJob.run(() -> tryToRun(start, shares));
  }

  private RoundSum tryToRun(LocalState start, List<List<List<Sequence>>> shares) {
    Broadcast<LocalState> state = spark.broadcast(start);
    try {
      return spark
          .parallelize(shares, shares.size())
          .mapPartitionsWithIndex(new LocalTask(key, state), true)
          .treeAggregate(
              new RoundSum(), RoundSum::merge, RoundSum::merge, TrainingRounds.TREE_DEPTH);
    } finally {
      state.destroy();
    }
  }

  @Override
  public ComputedOn computedOn() {
    return ComputedOn.cpus(key.settings().rounds().workers(), key.threads());
  }

  @Override
  public int parallel() {
    return parallel;
  }

  @Override
  public void describe(ObjectNode result) {
    result.put("tasks", key.settings().rounds().workers());
    result.put("threads_per_task", key.threads());
  }
}
