package org.sinklora.data;

import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/** Arrays in memory as one stream. */
final class ConcatenatedTokens implements TokenStream {
  private final List<int[]> parts;

  /** Where each part starts; one more entry for the end of the last. */
  private final long[] starts;

  ConcatenatedTokens(List<int[]> parts) {
    // An empty part would share its start with the next one, which a search could then miss.
    this.parts = parts.stream().filter(part -> part.length > 0).toList();
    this.starts = new long[this.parts.size() + 1];
    for (int i = 0; i < this.parts.size(); i++) {
      starts[i + 1] = starts[i] + this.parts.get(i).length;
    }
  }

  @Override
  public long size() {
    return starts[parts.size()];
  }

  @Override
  public int[] read(long start, int count) {
    Objects.checkFromIndexSize(start, count, size());
    int[] tokens = new int[count];
    int found = Arrays.binarySearch(starts, start);
    int part = found >= 0 ? found : -found - 2;
    for (int done = 0; done < count; part++) {
      int from = (int) (start + done - starts[part]);
      int length = Math.min(count - done, parts.get(part).length - from);
      System.arraycopy(parts.get(part), from, tokens, done, length);
      done += length;
    }
    return tokens;
  }
}
