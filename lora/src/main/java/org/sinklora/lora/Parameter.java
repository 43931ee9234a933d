package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** A named weight; with a gradient if it is trained. */
final class Parameter {
  private final String name;
  private final Tensor value;
  private Tensor gradient;

  Parameter(String name, Tensor value) {
    this.name = name;
    this.value = value;
  }

  String name() {
    return name;
  }

  Tensor value() {
    return value;
  }

  /** The gradient to accumulate into; null while the parameter is frozen. */
  Tensor gradient() {
    return gradient;
  }

  /** Makes the parameter trained. */
  void requireGradient(Device device) {
    if (gradient == null) {
      gradient = device.allocate(value.shape());
    }
  }

  /** Frees value and gradient. */
  void close() {
    value.close();
    if (gradient != null) {
      gradient.close();
    }
  }
}
