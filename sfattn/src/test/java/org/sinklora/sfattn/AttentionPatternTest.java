package org.sinklora.sfattn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class AttentionPatternTest {
  private static final int HEADS = 5;

  static List<AttentionPattern> patterns() {
    List<AttentionPattern> patterns = new ArrayList<>();
    patterns.add(AttentionPattern.full());
    patterns.add(AttentionPattern.sinkFixed(Integer.MAX_VALUE - 1, 0.5, Integer.MAX_VALUE));
    for (int groupSize : new int[] {2, 6, 16, 100}) {
      patterns.add(AttentionPattern.s2Cyclic(groupSize));
      for (int sinks : new int[] {0, 1, 4, 30}) {
        patterns.add(AttentionPattern.sinkFixed(groupSize, 0.5, sinks));
        patterns.add(AttentionPattern.sinkFixed(groupSize, 1, sinks));
      }
    }
    return patterns;
  }

  @ParameterizedTest
  @MethodSource("patterns")
  void segmentsSayWhatTheDefinitionSays(AttentionPattern pattern) {
    for (int length : new int[] {1, 2, 3, 6, 17, 48, 101}) {
      if (pattern instanceof S2CyclicAttention s2 && length % s2.groupSize() != 0) {
        assertThrows(IllegalArgumentException.class, () -> pattern.segments(0, HEADS, length));
        assertThrows(IllegalArgumentException.class, () -> pattern.allowed(0, 0, 0, HEADS, length));
        continue;
      }
      long pairs = 0;
      for (int head = 0; head < HEADS; head++) {
        boolean[][] expected = new boolean[length][length];
        for (int i = 0; i < length; i++) {
          for (int j = 0; j < length; j++) {
            expected[i][j] = pattern.allowed(i, j, head, HEADS, length);
            pairs += expected[i][j] ? 1 : 0;
          }
        }
        assertArrayEquals(expected, visible(pattern.segments(head, HEADS, length), length));
      }
      assertEquals(pairs, pattern.pairs(HEADS, length));
    }
  }

  private static boolean[][] visible(List<Segment> segments, int length) {
    boolean[][] visible = new boolean[length][length];
    for (Segment segment : segments) {
      for (int i = 0; i < segment.length(); i++) {
        boolean[] keys = visible[(segment.start() + i) % length];
        for (int j = 0; j <= i; j++) {
          keys[(segment.start() + j) % length] = true;
        }
        for (int sink = 0; sink < segment.sinks(); sink++) {
          assertFalse(keys[sink], "a sink counts once");
          keys[sink] = true;
        }
      }
    }
    return visible;
  }

  @Test
  void theLastHeadsAreShifted() {
    AttentionPattern quarter = AttentionPattern.sinkFixed(8, 0.25, 0);
    // floor(0.25 · 7) = 1: a border at 4 in head 6 alone.
    for (int head = 0; head < 7; head++) {
      assertEquals(head < 6, quarter.allowed(4, 3, head, 7, 100), "head " + head);
    }
    AttentionPattern s2 = AttentionPattern.s2Cyclic(8);
    // Heads 7/2 = 3 and up are rolled.
    for (int head = 0; head < 7; head++) {
      assertEquals(head < 3, s2.allowed(4, 3, head, 7, 80), "head " + head);
      assertEquals(head >= 3, s2.allowed(0, 79, head, 7, 80), "head " + head);
    }
  }

  @Test
  void patternsAreValues() {
    assertEquals(AttentionPattern.full(), AttentionPattern.full());
    assertEquals(AttentionPattern.sinkFixed(16, 0.25, 4), AttentionPattern.sinkFixed(16, 0.25, 4));
  }

  @Test
  void namesWhatIsOutOfRange() {
    assertError("groupSize=15", () -> AttentionPattern.sinkFixed(15, 0.25, 4));
    assertError("groupSize=0", () -> AttentionPattern.s2Cyclic(0));
    assertError("shiftedHeadRatio=1.5", () -> AttentionPattern.sinkFixed(16, 1.5, 4));
    assertError("shiftedHeadRatio=NaN", () -> AttentionPattern.sinkFixed(16, Double.NaN, 4));
    assertError("sinkTokens=-1", () -> AttentionPattern.sinkFixed(16, 0.25, -1));
    assertError(
        "length=40 is no multiple of groupSize=16",
        () -> AttentionPattern.s2Cyclic(16).segments(0, 1, 40));
  }

  private static void assertError(String part, Runnable call) {
    String message = assertThrows(IllegalArgumentException.class, call::run).getMessage();
    assertTrue(message.contains(part), message);
  }
}
