package org.sinklora.compute.cuda;

import java.util.Arrays;

/** What operations ask of their tensors, and how they choose a kernel's element types. */
final class Operands {
  private Operands() {}

  static void sameSize(CudaTensor x, CudaTensor y) {
    if (x.size() != y.size()) {
      throw new IllegalArgumentException(x + " and " + y + " differ in size");
    }
  }

  /** The type that all of them have, of those that can be calculated with. */
  static ElementType floats(CudaTensor first, CudaTensor... others) {
    if (first.type() != ElementType.FLOAT32 && first.type() != ElementType.BFLOAT16) {
      throw new IllegalArgumentException(first + " can't be calculated with");
    }
    for (CudaTensor other : others) {
      if (other.type() != first.type()) {
        throw new IllegalArgumentException(
            "%s and %s differ in type: copy one of them".formatted(first, other));
      }
    }
    return first.type();
  }

  /** Checks that these are float32, as gradients of parameters and statistics are. */
  static void float32(CudaTensor... tensors) {
    for (CudaTensor tensor : tensors) {
      if (tensor != null && tensor.type() != ElementType.FLOAT32) {
        throw new IllegalArgumentException("A tensor of FLOAT32 is needed, not " + tensor);
      }
    }
  }

  static void onePerColumn(CudaTensor x, long columns) {
    if (x != null && x.size() != columns) {
      throw new IllegalArgumentException(
          x + " is not one value for each of " + columns + " columns");
    }
  }

  static void atLeast(CudaTensor x, long elements) {
    if (x.size() < elements) {
      throw new IllegalArgumentException(x + " has no room for " + elements + " elements");
    }
  }

  static int columns(CudaTensor x) {
    return Math.toIntExact(x.dim(-1));
  }

  static int rows(CudaTensor x) {
    return Math.toIntExact(x.size() / x.dim(-1));
  }

  /** 8 where whole packs of 8 elements can be read from every row of c elements, 1 otherwise. */
  static int pack(int c, CudaTensor... tensors) {
    return c % 8 == 0 && Arrays.stream(tensors).allMatch(Operands::isAligned) ? 8 : 1;
  }

  private static boolean isAligned(CudaTensor tensor) {
    return tensor == null || tensor.address() % 16 == 0;
  }

  static String define(String name, ElementType type) {
    return name + "=" + type.cName();
  }

  static String define(String name, int value) {
    return name + "=" + value;
  }
}
