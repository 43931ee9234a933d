package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ExamplePackerTest {
  @Test
  void examplesStayWhole() {
    List<List<Integer>> rows = new ArrayList<>();
    ExamplePacker packer =
        new ExamplePacker(
            10, row -> rows.add(row.stream().map(example -> example.ids().length).toList()));
    for (int length : new int[] {4, 6, 3, 8, 10, 1}) {
      packer.add(new LabelledTokens(new int[length], new int[length]));
    }
    packer.finish();
    packer.finish();
    assertEquals(List.of(List.of(4, 6), List.of(3), List.of(8), List.of(10), List.of(1)), rows);
    assertThrows(
        IllegalArgumentException.class,
        () -> packer.add(new LabelledTokens(new int[11], new int[11])));
  }
}
