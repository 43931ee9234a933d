package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.sinklora.compute.CpuDevice;

class FlatLayoutTest {
  private static final Map<String, long[]> SHAPES = shapes();

  private static Map<String, long[]> shapes() {
    Map<String, long[]> shapes = new LinkedHashMap<>();
    shapes.put("k.A", new long[] {2, 5});
    shapes.put("k.B", new long[] {7, 2});
    shapes.put("norm", new long[] {65});
    shapes.put("q.A", new long[] {3, 5});
    shapes.put("q.B", new long[] {9, 3});
    return shapes;
  }

  private static FlatLayout layout() {
    return FlatLayout.of(
        SHAPES, List.of(List.of("q.A", "k.A")), Set.of("k.A", "k.B", "q.A", "q.B"));
  }

  @Test
  void partsKeepTheirOrderAndDoNotOverlap() {
    FlatLayout layout = layout();
    assertEquals(List.copyOf(SHAPES.keySet()), List.copyOf(layout.parts().keySet()));
    assertEquals(10 + 14 + 65 + 15 + 27, layout.values());
    List<FlatLayout.Part> parts = new ArrayList<>(layout.parts().values());
    for (FlatLayout.Part one : parts) {
      assertTrue(one.end() <= layout.size());
      for (FlatLayout.Part other : parts) {
        assertTrue(one == other || one.end() <= other.offset() || other.end() <= one.offset());
      }
    }
  }

  @Test
  void aGroupLiesSideBySideAndOperandsInFront() {
    FlatLayout layout = layout();
    FlatLayout.Part stack = layout.stacked(List.of("q.A", "k.A"));
    assertArrayEquals(new long[] {5, 5}, stack.shape());
    assertEquals(layout.part("q.A").offset(), stack.offset());
    assertEquals(layout.part("q.A").end(), layout.part("k.A").offset());
    assertTrue(layout.part("q.B").end() <= layout.operands());
    assertEquals(layout.operands(), layout.part("norm").offset());
    for (String aligned : new String[] {"q.A", "k.B", "q.B", "norm"}) {
      assertEquals(0, layout.part(aligned).offset() % FlatLayout.ALIGNMENT, aligned);
    }
    assertThrows(IllegalArgumentException.class, () -> layout.stacked(List.of("q.A", "norm")));
  }

  @Test
  void whatTravelsHasNoGapsAndComesBack() {
    try (CpuDevice device = new CpuDevice(1);
        FlatParameters parameters = new FlatParameters(device, layout())) {
      float[] travelling = new float[131];
      for (int i = 0; i < travelling.length; i++) {
        travelling[i] = i + 1;
      }
      parameters.write(travelling, parameters.values());
      assertArrayEquals(travelling, parameters.read(parameters.values()));
      assertEquals(11, Variant.valuesOf(device, parameters.parameter("k.B"))[0]);
      parameters.add(travelling, parameters.values());
      assertEquals(22, Variant.valuesOf(device, parameters.parameter("k.B"))[0]);
      double squares = 0;
      for (float value : travelling) {
        squares += 4.0 * value * value;
      }
      assertEquals(squares, device.sumOfSquares(parameters.values()), "gaps are not zero");
      Exception error =
          assertThrows(
              IllegalArgumentException.class,
              () -> parameters.write(new float[130], parameters.values()));
      assertTrue(error.getMessage().contains("131"), error.getMessage());
    }
  }
}
