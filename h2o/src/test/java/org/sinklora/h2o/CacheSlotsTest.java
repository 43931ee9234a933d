package org.sinklora.h2o;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class CacheSlotsTest {

  @Test
  void ofEqualScoresTheOlderPositionGoes() {
    CacheSlots slots = new CacheSlots(4, true, false);
    slots.append(7, 1);
    slots.append(3, 1);
    slots.append(5, 2);
    slots.append(9, 0);
    assertEquals(1, slots.lightestBefore(9));
    assertEquals(3, slots.lightestBefore(10));
    assertEquals(KvCachePolicy.NONE, slots.lightestBefore(3));
    assertArrayEquals(new int[] {2, 3}, KeptPositions.heaviest(new double[] {1, 1, 1, 1}, 4, 2));
    assertArrayEquals(new int[] {0, 2}, KeptPositions.heaviest(new double[] {3, 1, 1, 0}, 4, 2));
    assertArrayEquals(new int[] {0, 1}, KeptPositions.heaviest(new double[] {0, 0}, 2, 5));
  }

  @Test
  void aFreedSlotTakesTheNextTokenAndRanksAreThePlacesInOrder() {
    long seed = new Random().nextLong();
    Random random = new Random(seed);
    CacheSlots slots = new CacheSlots(9, true, true);
    TreeSet<Integer> alive = new TreeSet<>();
    for (int position = 0; position < 200; position++) {
      int slot = slots.append(position, 0);
      alive.add(position);
      assertEquals(position, slots.position(slot));
      for (int i = 0; i < slots.used(); i++) {
        int place = alive.headSet(slots.position(i)).size();
        assertEquals(place, slots.ranks()[i], "seed " + seed);
      }
      if (alive.size() == 9) {
        int victim = random.nextInt(9);
        alive.remove(slots.position(victim));
        slots.evict(victim);
        assertEquals(8, slots.alive());
      }
    }
    assertEquals(9, slots.used());
  }

  @Test
  void snapKvKeepsWhatTheWindowAttendsTo() {
    KvCachePolicy policy = KvCachePolicy.snapKv(4, 2);
    double[] scores = {0.1, 0.9, 0.2, 0.8, 0.3, 9, 9};
    assertArrayEquals(new int[] {1, 3, 5, 6}, policy.keep(scores, 7));
    assertEquals(2, policy.scoringQueries(7));
    assertArrayEquals(new int[] {0, 5, 6}, KvCachePolicy.streaming(1, 2).keep(new double[7], 7));
  }
}
