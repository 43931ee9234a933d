package org.sinklora.lora;

import org.sinklora.compute.Tensor;

/** GPT-NeoX's normalisation. */
record LayerNorm(Parameter weight, Parameter bias, float epsilon) implements Norm {

  @Override
  public void forward(Pass pass, Workspace saved, Tensor x, Tensor y) {
    pass.device()
        .layerNorm(
            x,
            weight.value(),
            bias.value(),
            epsilon,
            y,
            statistic(saved, ".mean", x),
            statistic(saved, ".inverse_deviation", x));
  }

  @Override
  public void backward(Pass pass, Workspace saved, Tensor dY, Tensor x, Tensor dX) {
    pass.device()
        .layerNormBackward(
            dY,
            x,
            weight.value(),
            statistic(saved, ".mean", x),
            statistic(saved, ".inverse_deviation", x),
            dX,
            weight.gradient(),
            bias.gradient());
  }

  @Override
  public boolean trained() {
    return weight.gradient() != null || bias.gradient() != null;
  }

  private Tensor statistic(Workspace saved, String name, Tensor x) {
    return saved.statistic(weight.name() + name, x.dim(0));
  }
}
