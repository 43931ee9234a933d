package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.broadcast.Broadcast;
import org.sinklora.data.LabelledTokens;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/**
 * Training steps as Spark jobs: the adapter is broadcast, each task computes the gradient of its
 * sequences, the sums are merged in a tree, and the driver updates the adapter.
 */
final class TrainingRounds implements TrainingSteps {
  /** Groups in which sums are merged before they reach the driver. */
  static final int TREE_DEPTH = 2;

  private final JavaSparkContext spark;
  private final LoraTrainer trainer;
  private final LoraAdapter adapter;
  private final GradientWorker.Key key;
  private final TaskThreads threads;
  private final RowLayout layout;
  private final Communication communication;
  private final float[] initial;
  private final RoundCosts costs = new RoundCosts();
  private long largestProcess;

  /**
   * @param adapter as it is at the beginning of the run, also of one that is resumed later
   * @param threads into which tasks a step is cut
   */
  TrainingRounds(
      JavaSparkContext spark,
      LoraTrainer trainer,
      LoraAdapter adapter,
      GradientWorker.Key key,
      TaskThreads threads) {
    this.spark = spark;
    this.trainer = trainer;
    this.adapter = adapter;
    this.key = key;
    this.threads = threads;
    this.layout = new RowLayout(adapter.parameterRows());
    this.communication = key.settings().rounds().type();
    this.initial = adapter.values();
  }

  @Override
  public StepResult step(List<Sequence> sequences) {
    return RepeatableJob.run(() -> tryStep(sequences));
  }

  private StepResult tryStep(List<Sequence> sequences) {
    long begun = System.nanoTime();
    long predictions =
        sequences.stream().mapToLong(sequence -> sequence.batch().predictions()).sum();
    if (predictions == 0) {
      throw new UserException(
          "Nothing bears loss in step %,d: all labels of its %,d sequences are %d; leave out rows without an answer, or choose a larger --batch-size"
              .formatted(trainer.stepsDone() + 1, sequences.size(), LabelledTokens.IGNORED));
    }
    RoundValues down = RoundValues.of(layout, communication, adapter.values(), initial);
    Broadcast<RoundValues> values = spark.broadcast(down);
    try {
      GradientTask task = new GradientTask(key, values, trainer.stepsDone(), predictions);
      RoundSum sum =
          spark
              .parallelize(sequences, threads.tasks())
              .mapPartitionsWithIndex(task, true)
              .treeAggregate(new RoundSum(), RoundSum::merge, RoundSum::merge, TREE_DEPTH);
      largestProcess = sum.largestProcess();
      trainer.addGradients(sum.values(0));
      long update = System.nanoTime();
      StepResult result = trainer.update(sum.number(0) / predictions, predictions);
      long end = System.nanoTime();
      costs.add(
          new RoundCost(
              (end - begun) / 1e9,
              sum.computeSeconds(threads.atATime()) + (end - update) / 1e9,
              down.bytes(),
              sum.bytes()));
      return result;
    } finally {
      values.destroy();
    }
  }

  @Override
  public ComputedOn computedOn() {
    return ComputedOn.cpus(threads.tasks(), key.threads());
  }

  @Override
  public long largestProcess() {
    return largestProcess;
  }

  @Override
  public RoundCost cost() {
    return costs.last();
  }

  @Override
  public void describe(ObjectNode result) {
    result.put("tasks", threads.tasks());
    result.put("threads_per_task", key.threads());
    costs.describe(result);
  }
}
