package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class KeyTilesTest {
  @Test
  void anItemHasTheQueryTilesFromItsKeysOn() {
    KeyTiles tiles = new KeyTiles();
    tiles.add(3, 1000, 300, 70);
    List<int[]> items = tiles.items();
    assertEquals(3, items.size());
    assertArrayEquals(new int[] {3, 1256, 1300, 74, 1}, items.get(0));
    assertArrayEquals(new int[] {3, 1128, 1300, 72, 3}, items.get(1));
    assertArrayEquals(new int[] {3, 1000, 1300, 70, 5}, items.get(2));
  }

  /** Otherwise multiprocessors could wait for what none of them has begun. */
  @Test
  void theItemThatIsWaitedForComesFirst() {
    Random random = new Random(1);
    KeyTiles tiles = new KeyTiles();
    int from = 0;
    for (int segment = 0; segment < 200; segment++) {
      int length = 1 + random.nextInt(3000);
      tiles.add(segment % 4, from, length, from);
      from += length;
    }
    Map<Integer, Integer> place = new HashMap<>();
    List<int[]> items = tiles.items();
    for (int i = 0; i < items.size(); i++) {
      int key = items.get(i)[1];
      int end = items.get(i)[2];
      place.put(key, i);
      boolean hasNext = key + KeyTiles.KEYS < end;
      assertTrue(!hasNext || place.containsKey(key + KeyTiles.KEYS), "item " + i);
    }
    assertEquals(items.size(), place.size());
  }

  @Test
  void shortSegmentsEndTheList() {
    KeyTiles tiles = new KeyTiles();
    tiles.add(0, 0, 128, 0);
    tiles.add(0, 128, 512, 2);
    tiles.add(1, 0, 256, 10);
    assertEquals(
        List.of(512, 384, 256, 128, 128, 0, 0), tiles.items().stream().map(i -> i[1]).toList());
  }
}
