package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SequencePlanTest {
  @Test
  void randomWindowsLieInsideLongDocuments() {
    int[] lengths = {5, 100, 99, 250};
    RandomWindows windows = new RandomWindows(lengths, 100, 7);
    assertEquals(2, windows.eligibleDocuments());
    Set<Integer> documents = new HashSet<>();
    Set<Integer> starts = new HashSet<>();
    for (long sequence = 0; sequence < 2000; sequence++) {
      SequencePlan.Slice slice = windows.slice(sequence);
      assertEquals(100, slice.length());
      assertTrue(slice.start() >= 0 && slice.start() + 100 <= lengths[slice.row()]);
      documents.add(slice.row());
      if (slice.row() == 3) {
        starts.add(slice.start());
      }
    }
    assertEquals(Set.of(1, 3), documents);
    assertTrue(starts.contains(0) && starts.contains(150), starts.toString());
    // A sequence's window does not depend on what was asked before.
    assertEquals(windows.slice(5), new RandomWindows(lengths, 100, 7).slice(5));
  }

  @Test
  void textsThatAreTooShortAreRefused() {
    String said =
        assertThrows(
                IllegalArgumentException.class, () -> new RandomWindows(new int[] {3, 9}, 10, 0))
            .getMessage();
    assertTrue(said.contains("No document has 10 tokens: the longest of 2 has 9"), said);
    assertThrows(IllegalArgumentException.class, () -> new ShuffledRows(new int[0], 0));
  }

  @Test
  void shuffledRowsTakeEveryRowOnceAPass() {
    int[] lengths = new int[17];
    Arrays.setAll(lengths, row -> 10 + row);
    ShuffledRows rows = new ShuffledRows(lengths, 3);
    int[] first = order(rows, 0);
    int[] second = order(rows, 17);
    assertEquals(17, new HashSet<>(Arrays.stream(first).boxed().toList()).size());
    assertEquals(17, new HashSet<>(Arrays.stream(second).boxed().toList()).size());
    assertTrue(!Arrays.equals(first, second));
    assertEquals(new SequencePlan.Slice(first[3], 0, 10 + first[3]), rows.slice(3));
    // Back in an earlier pass, it is the same one.
    assertEquals(first[3], rows.slice(3).row());
  }

  private static int[] order(ShuffledRows rows, int from) {
    int[] order = new int[17];
    for (int i = 0; i < order.length; i++) {
      order[i] = rows.slice(from + i).row();
    }
    return order;
  }
}
