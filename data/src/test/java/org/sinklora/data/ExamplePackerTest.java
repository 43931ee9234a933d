package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ExamplePackerTest {
  /** An example whose first label is its number. */
  private static LabelledTokens example(int number, int length) {
    int[] labels = new int[length];
    if (length > 0) {
      labels[0] = number;
    }
    return new LabelledTokens(new int[length], labels);
  }

  private static List<List<Integer>> pack(int length, int... examples) {
    List<List<Integer>> rows = new ArrayList<>();
    ExamplePacker packer =
        new ExamplePacker(
            length, row -> rows.add(row.stream().map(example -> example.labels()[0]).toList()));
    for (int i = 0; i < examples.length; i++) {
      packer.add(example(i, examples[i]));
    }
    packer.finish();
    packer.finish();
    return rows;
  }

  @Test
  void anExampleGoesWhereItFitsBest() {
    assertEquals(
        List.of(List.of(0, 1), List.of(2), List.of(3, 5), List.of(4)), pack(10, 4, 6, 3, 8, 10, 1));
    assertEquals(List.of(), pack(10));
    ExamplePacker packer = new ExamplePacker(10, row -> {});
    assertThrows(IllegalArgumentException.class, () -> packer.add(example(0, 11)));
  }

  /** Most are short, some nearly fill a row: what chats look like. */
  @Test
  void skewedLengthsFillTheirRows() {
    Random random = new Random(1);
    int[] lengths =
        IntStream.range(0, 4096)
            .map(i -> Math.min(4096, 20 + (int) Math.exp(5.5 + 1.2 * random.nextGaussian())))
            .toArray();
    List<List<Integer>> rows = pack(4096, lengths);
    assertEquals(
        IntStream.range(0, lengths.length).boxed().toList(),
        rows.stream().flatMap(List::stream).sorted().toList());
    for (List<Integer> row : rows) {
      assertTrue(row.stream().mapToInt(i -> lengths[i]).sum() <= 4096);
    }
    double fill = IntStream.of(lengths).sum() / (4096.0 * rows.size());
    assertTrue(fill >= 0.95, fill + " of each row is filled");
    assertEquals(rows, pack(4096, lengths));
  }
}
