package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.AdamWStep;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** The optimiser of {@code torch.optim.AdamW}, with clipping by the norm of all gradients. */
final class AdamW implements AutoCloseable {
  private final Device device;
  private final TrainingConfig config;
  private final Map<Parameter, Moments> moments = new LinkedHashMap<>();
  private long step;

  /** Running averages of a parameter's gradient and of its square. */
  record Moments(Tensor first, Tensor second) {}

  AdamW(Device device, TrainingConfig config, List<Parameter> parameters) {
    this.device = device;
    this.config = config;
    for (Parameter parameter : parameters) {
      long[] shape = parameter.value().shape();
      moments.put(parameter, new Moments(device.allocate(shape), device.allocate(shape)));
    }
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
    return moments;
  }

  /** The rate of the next update. */
  double learningRate() {
    return config.learningRate()
        * config.schedule().factor(step, config.steps(), config.warmupSteps());
  }

  /** Norm of all gradients. */
  double gradNorm() {
    double sum = 0;
    for (Parameter parameter : moments.keySet()) {
      sum += device.sumOfSquares(parameter.gradient());
    }
    return Math.sqrt(sum);
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
    moments.forEach(
        (parameter, state) -> {
          device.adamW(
              parameter.value(),
              parameter.gradient(),
              state.first(),
              state.second(),
              scale,
              constants);
          device.fill(parameter.gradient(), 0);
        });
  }

  /** As {@code torch.nn.utils.clip_grad_norm_}. */
  private float clipScale(double gradNorm) {
    boolean clip = config.maxGradNorm() > 0 && gradNorm > config.maxGradNorm();
    return clip ? (float) (config.maxGradNorm() / (gradNorm + 1e-6)) : 1;
  }

  @Override
  public void close() {
    moments
        .values()
        .forEach(
            state -> {
              state.first().close();
              state.second().close();
            });
  }
}
