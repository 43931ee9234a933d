package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.List;

/**
 * {@code allowed(i, j, h) = rolled(j) ≤ rolled(i) and group(rolled(i)) = group(rolled(j))}, with
 * {@code rolled(i) = (i − groupSize/2) mod length} in the second half of the heads and {@code i} in
 * the first.
 */
record S2CyclicAttention(int groupSize) implements AttentionPattern {

  S2CyclicAttention {
    GroupSize.require(groupSize);
  }

  @Override
  public boolean allowed(int i, int j, int head, int heads, int length) {
    requireWholeGroups(length);
    int shift = shift(head, heads);
    int query = Math.floorMod(i - shift, length);
    int key = Math.floorMod(j - shift, length);
    return key <= query && key / groupSize == query / groupSize;
  }

  @Override
  public List<Segment> segments(int head, int heads, int length) {
    requireWholeGroups(length);
    List<Segment> segments = new ArrayList<>();
    for (int start = shift(head, heads); segments.size() < length / groupSize; start += groupSize) {
      segments.add(new Segment(start, groupSize, 0));
    }
    return segments;
  }

  private int shift(int head, int heads) {
    return head >= heads / 2 ? groupSize / 2 : 0;
  }

  private void requireWholeGroups(int length) {
    if (length % groupSize != 0) {
      throw new IllegalArgumentException(
          ("S2 cyclic attention cuts a document into whole groups, and length=%d is no multiple of"
                  + " groupSize=%d: cut or pad the document, choose another group size, or use"
                  + " sinkFixed(%d, 0.5, 0), which takes any length")
              .formatted(length, groupSize, groupSize));
    }
  }
}
