package org.sinklora.sfattn;

/**
 * A piece of work that one thread does alone: queries of one segment of one head.
 *
 * @param ordinal place of the segment among all of the plan
 * @param documentStart first token of the document
 * @param documentLength tokens of the document
 * @param head query head
 * @param segment positions inside the document
 * @param from index in the segment of the first query
 * @param to index in the segment behind the last query
 */
record WorkItem(
    int ordinal,
    int documentStart,
    int documentLength,
    int head,
    Segment segment,
    int from,
    int to) {

  /** The token at an index of the segment. */
  int token(int index) {
    int position = segment.start() + index;
    return documentStart + (position < documentLength ? position : position - documentLength);
  }

  /** How many tokens from an index on lie side by side in memory, up to {@code limit} of them. */
  int contiguous(int index, int limit) {
    return Math.min(limit, documentStart + documentLength - token(index));
  }

  WorkItem queries(int first, int last) {
    return new WorkItem(ordinal, documentStart, documentLength, head, segment, first, last);
  }

  long pairs() {
    return segment.pairs(from, to);
  }
}
