package org.sinklora.spark;

import java.util.List;
import org.sinklora.compute.NativeSupport;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.OptimizerState;
import org.sinklora.lora.StepResult;
import org.sinklora.lora.TokenBatch;

/** A worker of a round: steps on its own share of the sequences, from the state all begin with. */
final class LocalSteps {
  /** Numbers that a worker reports of each step: its loss, its predictions, its gradients' norm. */
  static final int NUMBERS = 3;

  private final LoraTrainer trainer;
  private final LoraAdapter adapter;
  private final RowLayout layout;
  private final Communication communication;
  private final float[] initial;
  private final int sequencesPerPass;

  /**
   * @param adapter that the trainer trains
   * @param initial the adapter's values at the beginning of the run
   * @param sequencesPerPass how many sequences go through the model together
   */
  LocalSteps(
      LoraTrainer trainer,
      LoraAdapter adapter,
      Communication communication,
      float[] initial,
      int sequencesPerPass) {
    this.trainer = trainer;
    this.adapter = adapter;
    this.layout = new RowLayout(adapter.parameterRows());
    this.communication = communication;
    this.initial = initial;
    this.sequencesPerPass = sequencesPerPass;
  }

  /**
   * Does a worker's steps.
   *
   * @param worker counted from 0
   * @param start what it begins with
   * @param steps its sequences of each step
   * @return by how much adapter and averages changed, and {@value #NUMBERS} numbers of each step
   */
  RoundSum run(int worker, LocalState start, List<List<Sequence>> steps) {
    float[] values = start.values().all(initial);
    float[] first = start.first().all(null);
    float[] second = start.second().all(null);
    adapter.setValues(values);
    trainer.setOptimizerState(new OptimizerState(start.step(), first, second));
    long begun = System.nanoTime();
    double[] numbers = new double[steps.size() * NUMBERS];
    for (int step = 0; step < steps.size(); step++) {
      StepResult result = step(steps.get(step));
      numbers[step * NUMBERS] = result.loss() * result.predictions();
      numbers[step * NUMBERS + 1] = result.predictions();
      numbers[step * NUMBERS + 2] = result.gradNorm();
    }
    RoundSum.TaskCost cost =
        new RoundSum.TaskCost(System.nanoTime() - begun, NativeSupport.processBytes());
    OptimizerState end = trainer.optimizerState();
    return new RoundSum(
        worker,
        List.of(
            change(values, adapter.values()),
            change(first, end.first()),
            change(second, end.second())),
        numbers,
        cost);
  }

  private StepResult step(List<Sequence> sequences) {
    List<TokenBatch> batches = Sequence.batches(sequences, sequencesPerPass);
    if (batches.stream().mapToLong(TokenBatch::predictions).sum() > 0) {
      return trainer.step(batches);
    }
    // Nothing to learn here, but the others' step counts, and so must this worker's.
    return trainer.update(0, 0);
  }

  private RoundValues change(float[] from, float[] to) {
    for (int i = 0; i < to.length; i++) {
      to[i] -= from[i];
    }
    return RoundValues.of(layout, communication, to, null);
  }
}
