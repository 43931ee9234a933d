package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** GPT-NeoX's normalisation. */
record LayerNorm(Parameter weight, Parameter bias, float epsilon) implements Norm {

  @Override
  public void forward(Pass pass, Tensor x, Tensor y) {
    pass.device()
        .layerNorm(
            x,
            weight.value(),
            bias.value(),
            epsilon,
            y,
            statistic(pass, "mean", x),
            statistic(pass, "inverse_deviation", x));
  }

  @Override
  public void backward(Pass pass, Tensor dY, Tensor x, Tensor dX) {
    pass.device()
        .layerNormBackward(
            dY,
            x,
            weight.value(),
            statistic(pass, "mean", x),
            statistic(pass, "inverse_deviation", x),
            dX,
            weight.gradient(),
            bias.gradient());
  }

  @Override
  public boolean trained() {
    return weight.gradient() != null || bias.gradient() != null;
  }

  private Tensor statistic(Pass pass, String name, Tensor x) {
    return pass.temporary().statistic(name, x.dim(0));
  }
}
