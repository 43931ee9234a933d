package org.sinklora.lora;

import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.sinklora.compute.NormalFloat4;

/** How the frozen weights of linears are kept while an adapter is trained over them or read. */
public enum Quantization {
  /** As the device computes. */
  NONE,
  /**
   * In the 4-bit NormalFloat of QLoRA (arXiv 2305.14314), 4.5 bits a weight; a linear is widened
   * for each of its products. Embedding, output head, norms and biases stay as they are, and so do
   * weights whose rows are no whole blocks of 64.
   */
  NF4;

  /**
   * @param name none or nf4
   * @throws IllegalArgumentException if it is another
   */
  public static Quantization parse(String name) {
    for (Quantization value : values()) {
      if (value.toString().equals(name)) {
        return value;
      }
    }
    throw new IllegalArgumentException(
        "There is no quantization '%s'; choose none or nf4".formatted(name));
  }

  /** The name that {@link #parse} takes. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Names of the weights that are not kept as the device computes. */
  Set<String> packed(Architecture architecture) {
    Set<String> names = new TreeSet<>();
    if (this == NF4) {
      for (ModuleSpec module : architecture.modules()) {
        if (module.kind() == ModuleSpec.Kind.LINEAR && module.in() % NormalFloat4.BLOCK == 0) {
          names.add(module.weight());
        }
      }
    }
    return names;
  }

  /** Bytes of all stored weights. */
  long bytes(Architecture architecture, int elementBytes) {
    Set<String> packed = packed(architecture);
    long bytes = 0;
    for (Map.Entry<String, long[]> stored : architecture.storedShapes().entrySet()) {
      long elements = elements(stored.getValue());
      bytes +=
          packed.contains(stored.getKey()) ? NormalFloat4.bytes(elements) : elements * elementBytes;
    }
    return bytes;
  }

  /** Elements of the largest weight that has to be widened; 0 if none has. */
  long largestPacked(Architecture architecture) {
    Map<String, long[]> shapes = architecture.storedShapes();
    return packed(architecture).stream()
        .mapToLong(name -> elements(shapes.get(name)))
        .max()
        .orElse(0);
  }

  private static long elements(long[] shape) {
    long size = 1;
    for (long extent : shape) {
      size *= extent;
    }
    return size;
  }
}
