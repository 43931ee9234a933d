package org.sinklora.lora;

import org.sinklora.compute.Device;

/**
 * Computes gradients of an adapter: the part of a training step that can run anywhere. {@link
 * LoraTrainer} uses it in one process; a worker of a cluster computes its share and sends it to the
 * trainer that makes the update.
 *
 * <p>It owns the activations, which are allocated at the first batch. Used by one thread at a time.
 */
public final class LoraGradients implements AutoCloseable {
  private final Device device;
  private final LoraAdapter adapter;
  private final TrainingConfig config;
  private final ModelPass pass;

  /**
   * @param model with the adapter to train
   * @throws IllegalArgumentException if the model has no adapter, or the settings do not fit it
   */
  public LoraGradients(CausalLm model, TrainingConfig config) {
    if (model.adapter() == null) {
      throw new IllegalArgumentException(
          "The model has no adapter to train: give it one with withAdapter(LoraAdapter.create(…))");
    }
    model.config().checkTrainable();
    config.attention().checkLayers(model.config().numHiddenLayers());
    this.device = model.device();
    this.adapter = model.adapter();
    this.config = config;
    adapter.flat().requireGradients();
    this.pass =
        new ModelPass(
            model, new MemoryPolicy(config.gradientCheckpointing(), config.memoryLimit()));
    clear();
  }

  /**
   * Adds a batch's share of a step to the gradients.
   *
   * @param step number of the step, counted from 0
   * @param predictions of all batches of the step, wherever they are computed: the gradient is that
   *     of the mean loss over them
   * @return the batch's summed loss
   */
  public double accumulate(long step, TokenBatch batch, long predictions) {
    AttentionPlan plan = config.attention().at(step, config.steps());
    long dropoutKey = Pass.mix(config.seed(), step);
    return pass.accumulateGradients(batch, plan, (float) (1.0 / predictions), dropoutKey);
  }

  /**
   * The gradients accumulated so far, which start again from zero.
   *
   * @return in the order of {@link LoraAdapter#values}
   */
  public float[] take() {
    float[] values = adapter.flat().read(adapter.flat().gradients());
    clear();
    return values;
  }

  /**
   * Adds gradients that {@link #take} gave.
   *
   * @throws IllegalArgumentException if they are those of another adapter
   */
  public void add(float[] values) {
    adapter.flat().add(values, adapter.flat().gradients());
  }

  void clear() {
    device.fill(adapter.flat().gradients(), 0);
  }

  /** What the largest batch so far keeps in memory; null before the first. */
  public MemoryPlan memoryPlan() {
    return pass.memoryPlan();
  }

  /** Bytes of activations and temporaries allocated so far. */
  public long activationBytes() {
    return pass.bytes();
  }

  /** Frees the activations; model and adapter stay. */
  @Override
  public void close() {
    pass.close();
  }
}
