package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** Llama's normalisation: no mean, no bias. */
record RmsNorm(Parameter weight, float epsilon) implements Norm {

  @Override
  public void forward(Pass pass, Workspace saved, Tensor x, Tensor y) {
    pass.device().rmsNorm(x, weight.value(), epsilon, y, inverseRms(saved, x));
  }

  @Override
  public void backward(Pass pass, Workspace saved, Tensor dY, Tensor x, Tensor dX) {
    pass.device()
        .rmsNormBackward(dY, x, weight.value(), inverseRms(saved, x), dX, weight.gradient());
  }

  @Override
  public boolean trained() {
    return weight.gradient() != null;
  }

  private Tensor inverseRms(Workspace saved, Tensor x) {
    return saved.statistic(weight.name() + ".inverse_rms", x.dim(0));
  }
}
