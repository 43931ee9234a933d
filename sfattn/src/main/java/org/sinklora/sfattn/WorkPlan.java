package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.sinklora.compute.Documents;

/** The work of one pattern on one batch, divided for the threads of a device. */
final class WorkPlan {
  // Queries of a forward item: few enough to balance one long segment over many threads.
  private static final int FORWARD_QUERIES = 4 * TileKernels.QUERIES;

  private static final Comparator<WorkItem> HEAVIEST_FIRST =
      Comparator.comparingLong(WorkItem::pairs).reversed();

  private final List<WorkItem> segments = new ArrayList<>();
  private final List<WorkItem> forward = new ArrayList<>();
  private final List<WorkItem> backward;
  private final int[] firstOfHead;

  WorkPlan(AttentionPattern pattern, Documents documents, int heads) {
    firstOfHead = new int[documents.count() * heads + 1];
    for (int document = 0; document < documents.count(); document++) {
      int length = documents.length(document);
      for (int head = 0; head < heads; head++) {
        for (Segment segment : pattern.segments(head, heads, length)) {
          segments.add(
              new WorkItem(
                  segments.size(),
                  documents.start(document),
                  length,
                  head,
                  segment,
                  0,
                  segment.length()));
        }
        firstOfHead[document * heads + head + 1] = segments.size();
      }
    }
    for (WorkItem item : segments) {
      for (int from = 0; from < item.to(); from += FORWARD_QUERIES) {
        forward.add(item.queries(from, Math.min(item.to(), from + FORWARD_QUERIES)));
      }
    }
    forward.sort(HEAVIEST_FIRST);
    backward = new ArrayList<>(segments);
    backward.sort(HEAVIEST_FIRST);
  }

  /** Pieces of segments, the heaviest first. Every query of every head is in one of them. */
  List<WorkItem> forward() {
    return forward;
  }

  /** Whole segments, the heaviest first. */
  List<WorkItem> backward() {
    return backward;
  }

  int segmentCount() {
    return segments.size();
  }

  /** Number of pairs of a document and a query head. */
  int headCount() {
    return firstOfHead.length - 1;
  }

  /** The segments of one head of one document, in the order of their positions. */
  List<WorkItem> segmentsOfHead(int documentAndHead) {
    return segments.subList(firstOfHead[documentAndHead], firstOfHead[documentAndHead + 1]);
  }
}
