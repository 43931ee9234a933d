package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class WorkListsTest {
  @Test
  void everyItemIsInOneListAndListsEndTogether() {
    WorkLists<Integer> lists = new WorkLists<>(7, cost -> cost);
    List<Integer> items = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      items.add(i % 16 + 1);
    }
    lists.add(items);
    assertEquals(1000, lists.items().size());
    assertEquals(8, lists.offsets().length);
    assertEquals(1000, lists.offsets()[7]);
    assertTrue(lists.balance() > 0.99, "balance " + lists.balance());
  }

  @Test
  void fewerItemsThanListsLeaveSomeEmpty() {
    WorkLists<Integer> lists = new WorkLists<>(4, cost -> cost);
    lists.add(List.of(3));
    assertArrayEquals(new int[] {0, 1, 1, 1, 1}, lists.offsets());
  }
}
