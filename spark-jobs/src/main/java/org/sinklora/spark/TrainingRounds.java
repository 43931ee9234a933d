package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/**
 * Training steps as Spark jobs: the adapter is broadcast, each task computes the gradient of its
 * sequences, the sums are merged in a tree, and the driver updates the adapter.
 */
final class TrainingRounds implements TrainingSteps {
  /** Groups in which sums are merged before they reach the driver. */
  private static final int TREE_DEPTH = 2;

  private final JavaSparkContext spark;
  private final LoraTrainer trainer;
  private final LoraAdapter adapter;
  private final GradientWorker.Key key;
  private final int tasks;
  private long largestProcess;

  TrainingRounds(
      JavaSparkContext spark,
      LoraTrainer trainer,
      LoraAdapter adapter,
      GradientWorker.Key key,
      int tasks) {
    this.spark = spark;
    this.trainer = trainer;
    this.adapter = adapter;
    this.key = key;
    this.tasks = tasks;
  }

  @Override
  public StepResult step(List<Sequence> sequences) {
    long predictions =
        sequences.stream().mapToLong(sequence -> sequence.batch().predictions()).sum();
    Broadcast<float[]> values = spark.broadcast(adapter.values());
    try {
      GradientTask task = new GradientTask(key, values, trainer.stepsDone(), predictions);
      GradientSum sum =
          spark
              .parallelize(sequences, tasks)
              .mapPartitionsWithIndex(task, true)
              .treeAggregate(new GradientSum(), GradientSum::merge, GradientSum::merge, TREE_DEPTH);
      largestProcess = sum.largestProcess();
      trainer.addGradients(sum.gradients());
      return trainer.update(sum.loss() / predictions, predictions);
    } finally {
      values.destroy();
    }
  }

  @Override
  public long largestProcess() {
    return largestProcess;
  }

  @Override
  public void describe(ObjectNode result) {
    result.put("tasks", tasks);
    result.put("threads_per_task", key.threads());
  }
}
