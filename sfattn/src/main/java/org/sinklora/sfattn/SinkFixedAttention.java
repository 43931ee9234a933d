package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.List;

/**
 * {@code allowed(i, j, h) = j ≤ i and (j < sinkTokens or group(i) = group(j))}, with {@code
 * group(i) = floor((i + shift) / groupSize)} and a shift of half a group in the shifted heads.
 */
record SinkFixedAttention(int groupSize, double shiftedHeadRatio, int sinkTokens)
    implements AttentionPattern {

  SinkFixedAttention {
    GroupSize.require(groupSize);
    if (!(shiftedHeadRatio >= 0 && shiftedHeadRatio <= 1)) {
      throw new IllegalArgumentException(
          "shiftedHeadRatio=%s: a share of the heads lies in [0, 1]".formatted(shiftedHeadRatio));
    }
    if (sinkTokens < 0) {
      throw new IllegalArgumentException(
          "sinkTokens=%d: use 0 for attention without sinks".formatted(sinkTokens));
    }
  }

  @Override
  public boolean allowed(int i, int j, int head, int heads, int length) {
    int shift = shift(head, heads);
    return j <= i && (j < sinkTokens || group(i, shift) == group(j, shift));
  }

  @Override
  public List<Segment> segments(int head, int heads, int length) {
    List<Segment> segments = new ArrayList<>();
    long start = 0;
    long end = groupSize - shift(head, heads);
    while (start < length) {
      int segmentLength = (int) (Math.min(end, length) - start);
      segments.add(new Segment((int) start, segmentLength, (int) Math.min(sinkTokens, start)));
      start = end;
      end += groupSize;
    }
    return segments;
  }

  private int shift(int head, int heads) {
    int shifted = (int) Math.floor(shiftedHeadRatio * heads);
    return head >= heads - shifted ? groupSize / 2 : 0;
  }

  private long group(int position, int shift) {
    return ((long) position + shift) / groupSize;
  }
}
