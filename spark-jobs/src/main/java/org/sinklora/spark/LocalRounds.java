package org.sinklora.spark;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.OptimizerState;
import org.sinklora.lora.StepResult;

/**
 * Training in rounds of several steps, in the style of DiLoCo: every worker does the steps of a
 * round on its own share of the sequences; then an outer optimiser steps towards the mean of their
 * adapters. AdamW's averages become the mean of the workers', so that nothing of a worker outlives
 * its round.
 */
final class LocalRounds implements TrainingSteps {
  /** Does the workers' part of a round. */
  interface Workers {
    /**
     * @param start what every worker begins with
     * @param shares of each worker the sequences of each step
     * @return the sum over the workers of what {@link LocalSteps#run} gives
     */
    RoundSum run(LocalState start, List<List<List<Sequence>>> shares);

    /** What each computes on: the number of workers is of the run's settings. */
    ComputedOn computedOn();

    /** How many work at a time; 0 where nothing is distributed. */
    int parallel();

    /** Adds how the work was done to the result of a run. */
    void describe(ObjectNode result);
  }

  private final LoraTrainer trainer;
  private final LoraAdapter adapter;
  private final Workers workers;
  private final TrainSettings.Rounds settings;
  private final RowLayout layout;
  private final float[] initial;
  private final OuterOptimizer outer;
  private final RoundCosts costs = new RoundCosts();
  private long largestProcess;

  /**
   * @param trainer holds the state between the rounds
   * @param adapter as it is at the beginning of the run, also of one that is resumed later
   */
  LocalRounds(
      LoraTrainer trainer, LoraAdapter adapter, TrainSettings.Rounds settings, Workers workers) {
    this.trainer = trainer;
    this.adapter = adapter;
    this.workers = workers;
    this.settings = settings;
    this.layout = new RowLayout(adapter.parameterRows());
    this.initial = adapter.values();
    this.outer =
        new OuterOptimizer(settings.outerLearningRate(), settings.outerMomentum(), initial.length);
  }

  @Override
  public int stepsOfRound() {
    return settings.syncEvery();
  }

  @Override
  public StepResult step(List<Sequence> sequences) {
    return round(List.of(sequences)).get(0);
  }

  @Override
  public List<StepResult> round(List<List<Sequence>> steps) {
    long begun = System.nanoTime();
    LocalState start = LocalState.of(trainer, adapter, layout, settings.type(), initial);
    float[] values = adapter.values();
    OptimizerState before = trainer.optimizerState();
    RoundSum sum = workers.run(start, shares(steps));
    largestProcess = sum.largestProcess();
    outer.step(values, sum.values(0), settings.workers());
    addMean(before.first(), sum.values(1), Float.NEGATIVE_INFINITY);
    // Rounding must not make an average of squares negative.
    addMean(before.second(), sum.values(2), 0);
    adapter.setValues(values);
    trainer.setOptimizerState(
        new OptimizerState(before.step() + steps.size(), before.first(), before.second()));
    if (workers.parallel() > 0) {
      costs.add(
          new RoundCost(
              (System.nanoTime() - begun) / 1e9,
              sum.computeSeconds(workers.parallel()),
              start.bytes(),
              sum.bytes()));
    }
    return results(before.step(), steps.size(), sum);
  }

  /** Of each worker the sequences of each step: neighbours, as many as another's but for one. */
  private List<List<List<Sequence>>> shares(List<List<Sequence>> steps) {
    List<List<List<Sequence>>> shares = new ArrayList<>();
    int count = settings.workers();
    for (int worker = 0; worker < count; worker++) {
      List<List<Sequence>> share = new ArrayList<>();
      for (List<Sequence> step : steps) {
        int from = (int) ((long) step.size() * worker / count);
        int to = (int) ((long) step.size() * (worker + 1) / count);
        share.add(new ArrayList<>(step.subList(from, to)));
      }
      shares.add(share);
    }
    return shares;
  }

  private void addMean(float[] values, float[] changes, float least) {
    for (int i = 0; i < values.length; i++) {
      values[i] = Math.max(least, values[i] + changes[i] / settings.workers());
    }
  }

  private List<StepResult> results(long done, int steps, RoundSum sum) {
    List<StepResult> results = new ArrayList<>();
    for (int step = 0; step < steps; step++) {
      double predictions = sum.number(step * LocalSteps.NUMBERS + 1);
      if (predictions == 0) {
        throw new IllegalArgumentException(
            "Step %d has nothing to learn: none of its tokens has a target"
                .formatted(done + step + 1));
      }
      results.add(
          new StepResult(
              done + step + 1,
              sum.number(step * LocalSteps.NUMBERS) / predictions,
              trainer.config().learningRateOf(done + step),
              sum.number(step * LocalSteps.NUMBERS + 2) / settings.workers(),
              (long) predictions));
    }
    return results;
  }

  @Override
  public RoundCost cost() {
    return costs.last();
  }

  @Override
  public void save(Path folder) throws IOException {
    outer.save(folder);
  }

  @Override
  public void resume(Path folder) throws IOException {
    outer.resume(folder);
  }

  @Override
  public ComputedOn computedOn() {
    return workers.computedOn();
  }

  @Override
  public long largestProcess() {
    return largestProcess;
  }

  @Override
  public void describe(ObjectNode result) {
    workers.describe(result);
    costs.describe(result);
  }
}
