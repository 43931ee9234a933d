package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/** A named weight; with a gradient if it is trained. */
final class Parameter {
  private final String name;
  private final Tensor value;
  private final Tensor operand;
  private Tensor gradient;

  Parameter(String name, Tensor value) {
    this(name, value, value);
  }

  /**
   * @param operand the value as matrix products read it
   */
  Parameter(String name, Tensor value, Tensor operand) {
    this.name = name;
    this.value = value;
    this.operand = operand;
  }

  /**
   * A frozen weight of the base model.
   *
   * @param value becomes the parameter's, or is closed
   * @param packed whether to keep it in 4 bits
   */
  static Parameter frozen(String name, Tensor value, boolean packed, Device device) {
    if (!packed) {
      return new Parameter(name, value);
    }
    try (value) {
      return new Parameter(name, device.toNf4(value));
    }
  }

  String name() {
    return name;
  }

  Tensor value() {
    return value;
  }

  /** The value in the type that the device multiplies in. */
  Tensor operand() {
    return operand;
  }

  /** The gradient to accumulate into; null while the parameter is frozen. */
  Tensor gradient() {
    return gradient;
  }

  /** Makes the parameter trained. */
  void setGradient(Tensor tensor) {
    gradient = tensor;
  }

  /** Frees the value of a parameter that owns its memory. */
  void close() {
    value.close();
  }
}
