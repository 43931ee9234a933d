package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
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
    lists.addAnyOrder(items);
    assertEquals(1000, lists.items().size());
    assertEquals(8, lists.offsets().length);
    assertEquals(1000, lists.offsets()[7]);
    assertTrue(lists.balance() > 0.99, "balance " + lists.balance());
  }

  /** An item may wait for one before it in the order: whoever runs lists in order must end. */
  @Test
  void whatIsWaitedForStandsInFrontInItsList() {
    WorkLists<int[]> lists = new WorkLists<>(3, item -> item[1]);
    List<int[]> ordered = new ArrayList<>();
    for (int i = 0; i < 50; i++) {
      ordered.add(new int[] {i, i % 5 * 3});
    }
    lists.addInOrder(ordered);
    List<int[]> items = lists.items();
    int[] next = lists.offsets().clone();
    HashSet<Integer> done = new HashSet<>();
    for (int step = 0; done.size() < 50; step++) {
      assertTrue(step < 50, "the lists wait for each other");
      for (int list = 0; list < 3; list++) {
        int at = next[list];
        if (at < lists.offsets()[list + 1] && canRun(items.get(at)[0], done)) {
          done.add(items.get(at)[0]);
          next[list]++;
        }
      }
    }
  }

  /** Item i waits for item i − 1. */
  private static boolean canRun(int item, HashSet<Integer> done) {
    return item == 0 || done.contains(item - 1);
  }

  @Test
  void fewerItemsThanListsLeaveSomeEmpty() {
    WorkLists<Integer> lists = new WorkLists<>(4, cost -> cost);
    lists.addAnyOrder(List.of(3));
    assertArrayEquals(new int[] {0, 1, 1, 1, 1}, lists.offsets());
  }
}
