package org.sinklora.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.sinklora.data.WeightedDraws.Draw;

class WeightedDrawsTest {
  private static final int DRAWS = 10_000;
  private static final double[] WEIGHTS = {0.7, 0.25, 0.05};

  private static List<Draw> all(double[] weights, long seed) {
    WeightedDraws draws = new WeightedDraws(weights, seed);
    List<Draw> all = new ArrayList<>();
    for (int i = 0; i < DRAWS; i++) {
      all.add(draws.draw(i));
    }
    return all;
  }

  @Test
  void sharesAreThoseOfTheWeights() {
    for (long seed = 0; seed < 20; seed++) {
      long[] counts = new WeightedDraws(WEIGHTS, seed).counts(DRAWS);
      for (int set = 0; set < WEIGHTS.length; set++) {
        double expected = DRAWS * WEIGHTS[set];
        double deviation = Math.sqrt(expected * (1 - WEIGHTS[set]));
        assertEquals(expected, counts[set], 4 * deviation, "seed " + seed + ", set " + set);
      }
    }
  }

  @Test
  void theSetOfASequenceSaysNothingOfTheNext() {
    List<Draw> all = all(new double[] {1, 1}, 3);
    int alike = 0;
    for (int i = 1; i < DRAWS; i++) {
      alike += all.get(i).set() == all.get(i - 1).set() ? 1 : 0;
    }
    assertEquals(DRAWS / 2.0, alike, 4 * Math.sqrt(DRAWS / 4.0));
  }

  @Test
  void eachSetIsWalkedWithoutGaps() {
    long[] next = new long[WEIGHTS.length];
    for (Draw draw : all(WEIGHTS, 5)) {
      assertEquals(next[draw.set()]++, draw.sequence());
    }
    assertArrayEquals(next, new WeightedDraws(WEIGHTS, 5).counts(DRAWS));
  }

  @Test
  void aDrawDependsOnItsNumberAlone() {
    List<Draw> forward = all(WEIGHTS, 7);
    assertEquals(forward, all(new double[] {14, 5, 1}, 7), "only ratios count");
    assertFalse(forward.equals(all(WEIGHTS, 8)));
    WeightedDraws backward = new WeightedDraws(WEIGHTS, 7);
    List<Draw> reversed = new ArrayList<>();
    for (int i = 300; i >= 0; i--) {
      reversed.add(backward.draw(i));
    }
    Collections.reverse(reversed);
    assertEquals(forward.subList(0, 301), reversed);
  }

  @Test
  void oneSetGivesAll() {
    WeightedDraws draws = new WeightedDraws(new double[] {2}, 0);
    assertEquals(new Draw(0, 41), draws.draw(41));
  }

  @Test
  void weightsArePositive() {
    for (double wrong : new double[] {0, -1, Double.NaN, Double.POSITIVE_INFINITY}) {
      String said =
          assertThrows(
                  IllegalArgumentException.class,
                  () -> new WeightedDraws(new double[] {1, wrong}, 0))
              .getMessage();
      assertTrue(said.contains("has to be a number above 0"), said);
    }
  }
}
