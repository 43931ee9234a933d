package org.sinklora.lora;

import java.util.List;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** {@code y = x Wᵀ + b}, plus the low-rank update of an adapter. */
final class Linear {
  private final Parameter weight;
  private final Parameter bias;
  private final LoraUpdate lora;

  /**
   * @param weight [out, in]
   * @param bias [out]; null without
   * @param lora of this linear alone; null without
   */
  Linear(Parameter weight, Parameter bias, LoraUpdate lora) {
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

  /** Whether the backward reads the input of the forward. */
  boolean readsInputAgain() {
    return lora != null || weight.gradient() != null;
  }

  /** x [n, in] → y [n, out]. */
  void forward(Pass pass, Tensor x, Tensor y) {
    pass.device().matmul(x, false, weight.operand(), true, 1, 0, y);
    addRest(pass, x, y);
  }

  /**
   * The same, added to what a residual connection brings.
   *
   * @param residual [n, out]; may be y
   */
  void forwardAdd(Pass pass, Tensor x, Tensor residual, Tensor y) {
    Device device = pass.device();
    if (residual == y) {
      device.matmul(x, false, weight.operand(), true, 1, 1, y);
    } else {
      device.matmulAdd(x, false, weight.operand(), true, residual, y);
    }
    addRest(pass, x, y);
  }

  private void addRest(Pass pass, Tensor x, Tensor y) {
    if (bias != null) {
      pass.device().addBias(y, bias.value());
    }
    if (lora != null) {
      lora.forward(pass, x, List.of(y));
    }
  }

  /**
   * Accumulates the gradients of the trained weights.
   *
   * @param x the input of the forward; not read unless {@link #readsInputAgain}
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
      device.matmul(dY, false, weight.operand(), false, 1, accumulate ? 1 : 0, dX);
    }
    if (lora != null) {
      lora.backward(pass, x, List.of(dY), dX);
    }
  }
}
