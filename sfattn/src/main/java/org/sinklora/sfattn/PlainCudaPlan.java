package org.sinklora.sfattn;

import java.util.List;
import org.sinklora.compute.Documents;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;

/** The tiles of plain_attention.cu for one pattern on one batch. */
final class PlainCudaPlan implements AutoCloseable {
  /** Rows of a tile, as the source has them. */
  static final int ROWS = 32;

  private static final int FIELDS = 8;

  private final CudaTensor tiles;
  private final CudaTensor headTiles;
  private final int tileCount;
  private final int headCount;
  private final int mostSinks;

  PlainCudaPlan(CudaDevice device, AttentionPattern pattern, Documents documents, int heads) {
    DeviceRecords all = new DeviceRecords(FIELDS);
    DeviceRecords lists = new DeviceRecords(FIELDS);
    int most = 0;
    for (int document = 0; document < documents.count(); document++) {
      int start = documents.start(document);
      int length = documents.length(document);
      for (int head = 0; head < heads; head++) {
        int first = all.count();
        int sinks = 0;
        List<Segment> segments = pattern.segments(head, heads, length);
        for (Segment s : segments) {
          sinks = Math.max(sinks, s.sinks());
          for (int from = 0; from < s.length(); from += ROWS) {
            all.add(head, start, length, s.start(), s.length(), s.sinks(), from);
          }
        }
        if (sinks > 0) {
          lists.add(head, start, sinks, first, all.count());
          most = Math.max(most, sinks);
        }
      }
    }
    this.tiles = all.upload(device);
    this.headTiles = lists.upload(device);
    this.tileCount = all.count();
    this.headCount = lists.count();
    this.mostSinks = most;
  }

  CudaTensor tiles() {
    return tiles;
  }

  int tileCount() {
    return tileCount;
  }

  /** The tiles of every head of every document that has sinks. */
  CudaTensor headTiles() {
    return headTiles;
  }

  int headCount() {
    return headCount;
  }

  int mostSinks() {
    return mostSinks;
  }

  @Override
  public void close() {
    tiles.close();
    headTiles.close();
  }
}
