package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** Llama's normalisation: no mean, no bias. */
record RmsNorm(Parameter weight, float epsilon) implements Norm {

  @Override
  public void forward(Pass pass, Tensor x, Tensor y) {
    pass.device().rmsNorm(x, weight.value(), epsilon, y, inverseRms(pass, x));
  }

  @Override
  public void backward(Pass pass, Tensor dY, Tensor x, Tensor dX) {
    pass.device()
        .rmsNormBackward(dY, x, weight.value(), inverseRms(pass, x), dX, weight.gradient());
  }

  @Override
  public boolean trained() {
    return weight.gradient() != null;
  }

  private Tensor inverseRms(Pass pass, Tensor x) {
    return pass.temporary().statistic("inverse_rms", x.dim(0));
  }
}
