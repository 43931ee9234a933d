package org.sinklora.sfattn;

import java.util.List;

/** {@code allowed(i, j) = j ≤ i}. */
record FullAttention() implements AttentionPattern {

  @Override
  public boolean allowed(int i, int j, int head, int heads, int length) {
    return j <= i;
  }

  @Override
  public List<Segment> segments(int head, int heads, int length) {
    return List.of(new Segment(0, length, 0));
  }
}
