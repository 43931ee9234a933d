package org.sinklora.lora;

/** Whether activations are kept for the backward or computed again. */
public enum GradientCheckpointing {
  /** Keep each layer's input alone: the least memory, about a third more time. */
  ON,
  /** Keep all activations. */
  OFF,
  /** Keep as much as the device's memory, or the limit that was set, has room for. */
  AUTO;

  /**
   * The setting as people write it.
   *
   * @param text {@code true}, {@code false} or {@code auto}
   * @throws IllegalArgumentException if it is none of them
   */
  public static GradientCheckpointing parse(String text) {
    return switch (text) {
      case "true" -> ON;
      case "false" -> OFF;
      case "auto" -> AUTO;
      default ->
          throw new IllegalArgumentException(
              "gradientCheckpointing is '%s'; choose true, false or auto".formatted(text));
    };
  }

  /** What {@link #parse} reads. */
  @Override
  public String toString() {
    return switch (this) {
      case ON -> "true";
      case OFF -> "false";
      case AUTO -> "auto";
    };
  }
}
