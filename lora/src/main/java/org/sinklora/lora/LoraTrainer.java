package org.sinklora.lora;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;

/**
 * Trains the adapter of a model on one device, alone or as a rank of several.
 *
 * <p>A step takes any number of batches and treats them as one: the loss is the mean over all their
 * predictions, those of the other ranks among them. Same seed, settings, batches and device give
 * the same losses bit for bit, also when the run was saved and resumed in between.
 */
public final class LoraTrainer implements AutoCloseable {
  private final LoraAdapter adapter;
  private final TrainingConfig config;
  private final LoraGradients gradients;
  private final AdamW optimizer;
  private final GradientExchange exchange;

  /**
   * @param model with the adapter to train
   * @throws IllegalArgumentException if the model has no adapter, or the settings do not fit it
   */
  public LoraTrainer(CausalLm model, TrainingConfig config) {
    this(model, config, GradientExchange.alone());
  }

  /**
   * A rank of a data-parallel run. All begin with the same adapter and settings, do the same number
   * of steps, each on its own share of the batches, and end with the same adapter, bit for bit.
   * {@link #step} exchanges; {@link #accumulate} and {@link #update} are of this rank alone.
   *
   * @param model with the adapter to train
   * @param exchange with the other ranks; it stays open when the trainer is closed
   * @throws IllegalArgumentException if the model has no adapter, or the settings do not fit it
   */
  public LoraTrainer(CausalLm model, TrainingConfig config, GradientExchange exchange) {
    this.exchange = exchange;
    this.gradients = new LoraGradients(model, config);
    this.adapter = model.adapter();
    this.config = config;
    this.optimizer = new AdamW(model.device(), config, adapter.flat());
  }

  /**
   * One optimiser step on these batches together, and on those that the other ranks pass to theirs;
   * a rank may have none.
   */
  public StepResult step(List<TokenBatch> batches) {
    double own = batches.stream().mapToLong(TokenBatch::predictions).sum();
    long predictions = (long) exchange.sum(own);
    if (predictions == 0) {
      throw new IllegalArgumentException(
          "Step %d has nothing to learn: none of its tokens has a target"
              .formatted(optimizer.step() + 1));
    }
    double loss = 0;
    try {
      for (TokenBatch batch : batches) {
        loss += accumulate(batch, predictions);
      }
      exchange.sum(adapter.flat().gradients());
      loss = exchange.sum(loss);
    } catch (RuntimeException | Error e) {
      // A batch that could not be used must not leave its share to the next step.
      gradients.clear();
      throw e;
    }
    return update(loss / predictions, predictions);
  }

  /** One optimiser step on one batch. */
  public StepResult step(TokenBatch batch) {
    return step(List.of(batch));
  }

  /**
   * Adds a batch's share to the gradients of the next {@link #update}.
   *
   * @param predictions of all batches of the step
   * @return the batch's summed loss
   */
  public double accumulate(TokenBatch batch, long predictions) {
    return gradients.accumulate(optimizer.step(), batch, predictions);
  }

  /**
   * Adds gradients that were computed elsewhere, by {@link LoraGradients#take}, to those of the
   * next {@link #update}.
   *
   * @param values in the order of {@link LoraAdapter#values}
   */
  public void addGradients(float[] values) {
    gradients.add(values);
  }

  /**
   * Updates the adapter from the accumulated gradients.
   *
   * @param meanLoss of the step's predictions
   * @param predictions of all batches of the step
   * @throws IllegalStateException if the loss or a gradient is not finite; the adapter is unchanged
   */
  public StepResult update(double meanLoss, long predictions) {
    double norm = optimizer.gradNorm();
    if (!Double.isFinite(meanLoss) || !Double.isFinite(norm)) {
      gradients.clear();
      throw new IllegalStateException(
          "Step %d diverged: loss %s, gradient norm %s. The adapter is as it was before; try a lower learning rate or more warm-up."
              .formatted(optimizer.step() + 1, meanLoss, norm));
    }
    double rate = optimizer.learningRate();
    optimizer.update(norm);
    return new StepResult(optimizer.step(), meanLoss, rate, norm, predictions);
  }

  /** A copy of the optimiser's state. */
  public OptimizerState optimizerState() {
    return optimizer.state();
  }

  /**
   * Goes on from a state that another trainer of the same adapter had; the adapter's values are set
   * apart, by {@link LoraAdapter#setValues}.
   *
   * @throws IllegalArgumentException if it is that of another adapter
   */
  public void setOptimizerState(OptimizerState state) {
    optimizer.setState(state);
  }

  /** Number of steps done. */
  public long stepsDone() {
    return optimizer.step();
  }

  public TrainingConfig config() {
    return config;
  }

  LoraAdapter adapter() {
    return adapter;
  }

  /** What the largest batch so far keeps in memory; null before the first. */
  public MemoryPlan memoryPlan() {
    return gradients.memoryPlan();
  }

  /** Bytes of activations and temporaries allocated so far. */
  public long activationBytes() {
    return gradients.activationBytes();
  }

  /**
   * Writes adapter, optimiser and step to a folder, from which {@link #resume} continues. An
   * existing folder is replaced only when all is written.
   */
  public void save(Path folder) throws IOException {
    TrainingState.save(folder, adapter, optimizer, config);
  }

  /**
   * Continues a saved run: the following steps are those of the uninterrupted run, bit for bit. It
   * may have another number of steps, unless its rates or its attention depend on that ({@link
   * TrainingConfig#isStretchedOverSteps}).
   *
   * @throws ModelFormatException if the folder is incomplete or of a run with other settings
   */
  public void resume(Path folder) throws IOException {
    TrainingState.load(folder, adapter, optimizer, config);
  }

  /** Frees activations and optimiser state; model and adapter stay. */
  @Override
  public void close() {
    gradients.close();
    optimizer.close();
  }
}
