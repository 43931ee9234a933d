package org.sinklora.lora;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Where the trained parameters of an adapter lie in one tensor.
 *
 * <pre>
 *   A of q | A of k | A of v ·· A of o ·· B of q ·· … ·· trained linears ·· embedding ·· norms, biases
 *   └── over one input: one product ─┘                                │
 *   └──────────────── read by matrix products (operands) ─────────────┘
 * </pre>
 *
 * Parts begin at multiples of {@link #ALIGNMENT}, except inside a group that lies side by side;
 * what is between them is zero and stays zero.
 *
 * @param parts by name, in the order in which the parameters travel
 * @param operands length of the front part that matrix products read
 * @param size of the whole
 */
record FlatLayout(Map<String, Part> parts, long operands, long size) {
  static final int ALIGNMENT = 64;

  /** Elements {@code [offset, offset + size)} under a shape. */
  record Part(long offset, long[] shape) {
    long size() {
      long size = 1;
      for (long extent : shape) {
        size *= extent;
      }
      return size;
    }

    long end() {
      return offset + size();
    }
  }

  /**
   * @param shapes of the parameters by name, in the order in which they travel
   * @param sideBySide names of parameters that are to lie without gaps
   * @param operands names of all that matrix products read
   */
  static FlatLayout of(
      Map<String, long[]> shapes, List<List<String>> sideBySide, Set<String> operands) {
    Map<String, Part> placed = new LinkedHashMap<>();
    long end = 0;
    for (List<String> group : sideBySide) {
      end = align(end);
      for (String name : group) {
        Part part = new Part(end, shapes.get(name));
        placed.put(name, part);
        end = part.end();
      }
    }
    end = place(shapes, operands, true, placed, end);
    long operandsEnd = align(end);
    end = align(place(shapes, operands, false, placed, operandsEnd));
    Map<String, Part> inOrder = new LinkedHashMap<>();
    shapes.keySet().forEach(name -> inOrder.put(name, placed.get(name)));
    return new FlatLayout(inOrder, operandsEnd, end);
  }

  private static long place(
      Map<String, long[]> shapes,
      Set<String> operands,
      boolean wanted,
      Map<String, Part> placed,
      long from) {
    long end = from;
    for (Map.Entry<String, long[]> entry : shapes.entrySet()) {
      String name = entry.getKey();
      if (operands.contains(name) == wanted && !placed.containsKey(name)) {
        Part part = new Part(align(end), entry.getValue());
        placed.put(name, part);
        end = part.end();
      }
    }
    return end;
  }

  private static long align(long at) {
    return (at + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  Part part(String name) {
    return parts.get(name);
  }

  /** Number of parameters' elements, without what lies between them. */
  long values() {
    return parts.values().stream().mapToLong(Part::size).sum();
  }

  /** Rows of matrices of equal width that lie side by side, as one matrix. */
  Part stacked(List<String> names) {
    Part first = part(names.get(0));
    long rows = 0;
    for (String name : names) {
      rows += part(name).shape()[0];
    }
    Part stack = new Part(first.offset(), new long[] {rows, first.shape()[1]});
    if (stack.end() != part(names.get(names.size() - 1)).end()) {
      throw new IllegalArgumentException(names + " do not lie side by side");
    }
    return stack;
  }
}
