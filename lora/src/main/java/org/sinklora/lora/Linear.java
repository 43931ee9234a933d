package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** {@code y = x Wᵀ + b}, plus the low-rank update of an adapter. */
final class Linear {
  private final Parameter weight;
  private final Parameter bias;
  private final LoraPair lora;

  /**
   * @param weight [out, in]
   * @param bias [out]; null without
   * @param lora null without
   */
  Linear(Parameter weight, Parameter bias, LoraPair lora) {
    this.weight = weight;
    this.bias = bias;
    this.lora = lora;
  }

  Parameter weight() {
    return weight;
  }

  long out() {
    return weight.value().dim(0);
  }

  /** x [n, in] → y [n, out]. */
  void forward(Pass pass, Tensor x, Tensor y) {
    Device device = pass.device();
    device.matmul(x, false, weight.value(), true, 1, 0, y);
    if (bias != null) {
      device.addBias(y, bias.value());
    }
    if (lora != null) {
      Tensor u = pass.temporary().tensor("lora_u", x.dim(0), lora.rank());
      device.matmul(loraInput(pass, x), false, lora.a().value(), true, 1, 0, u);
      device.matmul(u, false, lora.b().value(), true, lora.scale(), 1, y);
    }
  }

  /**
   * Accumulates the gradients of the trained weights.
   *
   * @param x the input of the forward
   * @param dX receives the gradient of x; null if nobody needs it
   * @param accumulate whether to add to dX or to overwrite it
   */
  void backward(Pass pass, Tensor x, Tensor dY, Tensor dX, boolean accumulate) {
    Device device = pass.device();
    if (weight.gradient() != null) {
      device.matmul(dY, true, x, false, 1, 1, weight.gradient());
    }
    if (bias != null && bias.gradient() != null) {
      device.addBiasBackward(dY, bias.gradient());
    }
    if (dX != null) {
      device.matmul(dY, false, weight.value(), false, 1, accumulate ? 1 : 0, dX);
    }
    if (lora != null) {
      loraBackward(pass, x, dY, dX);
    }
  }

  private void loraBackward(Pass pass, Tensor x, Tensor dY, Tensor dX) {
    Device device = pass.device();
    Tensor du = pass.temporary().tensor("lora_du", x.dim(0), lora.rank());
    device.matmul(dY, false, lora.b().value(), false, lora.scale(), 0, du);
    Tensor input = loraInput(pass, x);
    if (lora.a().gradient() != null) {
      device.matmul(du, true, input, false, 1, 1, lora.a().gradient());
    }
    if (lora.b().gradient() != null) {
      // A x is cheaper to compute again than to keep: r columns against in.
      Tensor u = pass.temporary().tensor("lora_u", x.dim(0), lora.rank());
      device.matmul(input, false, lora.a().value(), true, 1, 0, u);
      device.matmul(dY, true, u, false, lora.scale(), 1, lora.b().gradient());
    }
    if (dX == null) {
      return;
    }
    if (pass.drops(lora)) {
      Tensor dInput = pass.temporary().tensor("lora_input", x.shape());
      device.matmul(du, false, lora.a().value(), false, 1, 0, dInput);
      pass.dropout(lora, dInput, dInput);
      device.axpy(1, dInput, dX);
    } else {
      device.matmul(du, false, lora.a().value(), false, 1, 1, dX);
    }
  }

  private Tensor loraInput(Pass pass, Tensor x) {
    if (!pass.drops(lora)) {
      return x;
    }
    Tensor dropped = pass.temporary().tensor("lora_input", x.shape());
    pass.dropout(lora, x, dropped);
    return dropped;
  }
}
