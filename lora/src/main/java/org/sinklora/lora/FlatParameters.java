package org.sinklora.lora;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;

/**
 * The trained parameters of an adapter in one tensor, and their gradients in another, so that the
 * optimiser, the norm of the gradients and their exchange are one operation each.
 *
 * <p>Trained values are float32 everywhere. Where the device multiplies in a shorter type, what
 * matrix products read has a rounded copy, made once a pass instead of at every product.
 */
final class FlatParameters implements AutoCloseable {
  private final Device device;
  private final FlatLayout layout;
  private final Tensor values;
  private final Tensor operands;
  private final Map<String, Parameter> parameters = new LinkedHashMap<>();
  private final Map<List<String>, Parameter> stacks = new LinkedHashMap<>();
  private Tensor gradients;

  FlatParameters(Device device, FlatLayout layout) {
    this.device = device;
    this.layout = layout;
    // An adapter of nothing is a legal one; a tensor of nothing is not.
    this.values = device.allocate(Math.max(1, layout.size()));
    boolean shorter = device.elementBytes() < Float.BYTES && layout.operands() > 0;
    this.operands = shorter ? device.allocateWeights(layout.operands()) : null;
    layout.parts().forEach((name, part) -> parameters.put(name, parameter(name, part)));
  }

  private Parameter parameter(String name, FlatLayout.Part part) {
    Tensor value = view(values, part);
    boolean rounded = operands != null && part.end() <= layout.operands();
    return new Parameter(name, value, rounded ? view(operands, part) : value);
  }

  private static Tensor view(Tensor flat, FlatLayout.Part part) {
    return flat.view(part.offset(), part.shape());
  }

  Parameter parameter(String name) {
    return parameters.get(name);
  }

  /** Matrices that lie side by side, as one. */
  Parameter stacked(List<String> names) {
    return stacks.computeIfAbsent(names, this::stack);
  }

  private Parameter stack(List<String> names) {
    FlatLayout.Part part = layout.stacked(names);
    Parameter stack = parameter(String.join(" | ", names), part);
    if (gradients != null) {
      stack.setGradient(view(gradients, part));
    }
    return stack;
  }

  List<Parameter> all() {
    return List.copyOf(parameters.values());
  }

  /** The parameters in the order in which they travel. */
  List<ParameterRows> rows() {
    List<ParameterRows> rows = new ArrayList<>();
    layout
        .parts()
        .forEach(
            (name, part) -> {
              int columns = Math.toIntExact(part.shape()[part.shape().length - 1]);
              rows.add(new ParameterRows(name, (int) (part.size() / columns), columns));
            });
    return rows;
  }

  /** Elements of the parameters. */
  long size() {
    return layout.values();
  }

  /** Makes all of them trained. */
  void requireGradients() {
    if (gradients == null) {
      gradients = device.allocate(values.size());
      parameters.forEach(
          (name, parameter) -> parameter.setGradient(view(gradients, layout.part(name))));
      stacks.forEach((names, stack) -> stack.setGradient(view(gradients, layout.stacked(names))));
    }
  }

  /** All values, with zeros between the parameters. */
  Tensor values() {
    return values;
  }

  /** All gradients, laid out as the values; null before {@link #requireGradients}. */
  Tensor gradients() {
    return gradients;
  }

  /** A tensor of zeros laid out as the values, for the optimiser. */
  Tensor allocateLike() {
    return device.allocate(values.size());
  }

  /** The part of a tensor laid out as the values that belongs to a parameter. */
  Tensor part(Tensor flat, String name) {
    return view(flat, layout.part(name));
  }

  /** Brings what matrix products read up to date with the values. */
  void refreshOperands() {
    if (operands != null) {
      device.copy(values.view(0, layout.operands()), operands);
    }
  }

  /** The parameters one behind the other, as they travel between processes. */
  float[] read(Tensor flat) {
    float[] travelling = new float[travellingSize()];
    float[] all = download(flat);
    int at = 0;
    for (FlatLayout.Part part : layout.parts().values()) {
      System.arraycopy(all, (int) part.offset(), travelling, at, (int) part.size());
      at += (int) part.size();
    }
    return travelling;
  }

  private float[] download(Tensor flat) {
    float[] all = new float[Math.toIntExact(flat.size())];
    device.download(flat, all, 0);
    return all;
  }

  /**
   * Overwrites all parameters with what {@link #read} gave.
   *
   * @throws IllegalArgumentException if it comes from another adapter
   */
  void write(float[] travelling, Tensor flat) {
    device.upload(spread(travelling), 0, flat);
  }

  /** The same, added to what is there. */
  void add(float[] travelling, Tensor flat) {
    float[] all = spread(travelling);
    try (Tensor part = allocateLike()) {
      device.upload(all, 0, part);
      device.axpy(1, part, flat);
    }
  }

  private float[] spread(float[] travelling) {
    int expected = travellingSize();
    if (travelling.length != expected) {
      throw new IllegalArgumentException(
          "%,d values for an adapter of %,d: they belong to another adapter"
              .formatted(travelling.length, expected));
    }
    float[] all = new float[Math.toIntExact(values.size())];
    int at = 0;
    for (FlatLayout.Part part : layout.parts().values()) {
      System.arraycopy(travelling, at, all, (int) part.offset(), (int) part.size());
      at += (int) part.size();
    }
    return all;
  }

  private int travellingSize() {
    long size = values.size();
    if (size > Integer.MAX_VALUE - 8) {
      throw new IllegalArgumentException(
          "The adapter trains %,d values, more than the %,d that one array holds; train fewer modules whole"
              .formatted(layout.values(), Integer.MAX_VALUE - 8));
    }
    return (int) layout.values();
  }

  @Override
  public void close() {
    values.close();
    if (operands != null) {
      operands.close();
    }
    if (gradients != null) {
      gradients.close();
    }
  }
}
