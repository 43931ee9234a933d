package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.Map;
import org.sinklora.compute.AdamWStep;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** The optimiser of {@code torch.optim.AdamW}, with clipping by the norm of all gradients. */
final class AdamW implements AutoCloseable {
  private final Device device;
  private final TrainingConfig config;
  private final FlatParameters parameters;
  private final Tensor first;
  private final Tensor second;
  private long step;

  /** Running averages of a parameter's gradient and of its square. */
  record Moments(Tensor first, Tensor second) {}

  AdamW(Device device, TrainingConfig config, FlatParameters parameters) {
    this.device = device;
    this.config = config;
    this.parameters = parameters;
    this.first = parameters.allocateLike();
    this.second = parameters.allocateLike();
  }

  /** Number of updates made so far. */
  long step() {
    return step;
  }

  /** Continues a run in which {@code done} updates were made. */
  void resumeAt(long done) {
    step = done;
  }

  Map<Parameter, Moments> moments() {
    Map<Parameter, Moments> moments = new LinkedHashMap<>();
    for (Parameter parameter : parameters.all()) {
      String name = parameter.name();
      moments.put(
          parameter, new Moments(parameters.part(first, name), parameters.part(second, name)));
    }
    return moments;
  }

  /** A copy of the state, as it travels between processes. */
  OptimizerState state() {
    return new OptimizerState(step, parameters.read(first), parameters.read(second));
  }

  /** Goes on from another optimiser's state. */
  void setState(OptimizerState state) {
    parameters.write(state.first(), first);
    parameters.write(state.second(), second);
    step = state.step();
  }

  /** The rate of the next update. */
  double learningRate() {
    return config.learningRateOf(step);
  }

  /** Norm of all gradients. */
  double gradNorm() {
    return Math.sqrt(device.sumOfSquares(parameters.gradients()));
  }

  /**
   * Updates every parameter from its gradient and sets the gradients to zero.
   *
   * @param gradNorm of the gradients, which are scaled down if it is above the limit
   */
  void update(double gradNorm) {
    double rate = learningRate();
    step++;
    AdamWStep constants =
        new AdamWStep(
            rate, config.beta1(), config.beta2(), config.epsilon(), config.weightDecay(), step);
    float scale = clipScale(gradNorm);
    device.adamW(parameters.values(), parameters.gradients(), first, second, scale, constants);
    device.fill(parameters.gradients(), 0);
  }

  /** As {@code torch.nn.utils.clip_grad_norm_}. */
  private float clipScale(double gradNorm) {
    boolean clip = config.maxGradNorm() > 0 && gradNorm > config.maxGradNorm();
    return clip ? (float) (config.maxGradNorm() / (gradNorm + 1e-6)) : 1;
  }

  @Override
  public void close() {
    first.close();
    second.close();
  }
}
