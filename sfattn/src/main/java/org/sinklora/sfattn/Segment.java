package org.sinklora.sfattn;

/**
 * A run of positions of one document that attend among themselves, in one head: the query at index
 * {@code i} of the run sees the keys at indices {@code 0…i} of it and the document's first {@code
 * sinks} tokens, all of which lie before the run.
 *
 * <p>Index {@code i} is position {@code start + i} of the document, counted on from 0 past its end.
 *
 * @param start position of the first query
 * @param length number of queries, and of local keys
 * @param sinks sink keys in front of the local ones; at most {@code start}
 */
public record Segment(int start, int length, int sinks) {
  public Segment {
    if (start < 0 || length < 1 || sinks < 0 || sinks > start) {
      throw new IllegalArgumentException(
          "Not a segment: start=%d, length=%d, sinks=%d".formatted(start, length, sinks));
    }
  }

  /** How many pairs of a query and a key it sees there are. */
  public long pairs() {
    return pairs(0, length);
  }

  /** The pairs of the queries at indices {@code [from, to)}. */
  long pairs(int from, int to) {
    long queries = to - from;
    return queries * (sinks + from) + queries * (queries + 1) / 2;
  }
}
