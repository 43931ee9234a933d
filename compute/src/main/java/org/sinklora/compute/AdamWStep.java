package org.sinklora.compute;

/**
 * The constants of one AdamW update, as PyTorch's {@code torch.optim.AdamW} applies them.
 *
 * @param learningRate learning rate of this step
 * @param beta1 decay of the first moment
 * @param beta2 decay of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay decoupled: the parameter is multiplied by {@code 1 − learningRate ·
 *     weightDecay}
 * @param step counts from 1; corrects the bias of the moments
 */
public record AdamWStep(
    double learningRate,
    double beta1,
    double beta2,
    double epsilon,
    double weightDecay,
    long step) {

  /** {@code 1 − beta1^step}. */
  public double firstCorrection() {
    return 1 - Math.pow(beta1, step);
  }

  /** {@code 1 − beta2^step}. */
  public double secondCorrection() {
    return 1 - Math.pow(beta2, step);
  }
}
