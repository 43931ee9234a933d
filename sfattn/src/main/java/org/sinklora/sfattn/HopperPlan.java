package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.List;
import org.sinklora.compute.Documents;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.compute.cuda.CudaTensor;

/** The work lists of hopper_forward.cu and hopper_backward.cu for one pattern on one batch. */
final class HopperPlan implements AutoCloseable {
  /** Queries of a forward item, and keys of its tiles, as hopper_forward.cu has them. */
  private static final int KEYS = 128;

  /** Queries of a tile of the backward. */
  static final int QUERIES = 64;

  /** Query tiles of a block that also collects what its sinks get. */
  private static final int TILES_OF_BLOCK = 4;

  /** Segments whose items are dealt out together: their keys and values fit into the L2 cache. */
  private static final int SEGMENTS_TOGETHER = 16;

  private static final int FIELDS = 8;
  private static final int BLOCK_FIELDS = 4;

  private final List<CudaTensor> uploaded = new ArrayList<>();
  private final CudaDevice device;
  private final CudaTensor forwardItems;
  private final CudaTensor forwardOffsets;
  private final CudaTensor queryTiles;
  private final CudaTensor queryBlocks;
  private final CudaTensor keyTiles;
  private final int keyTileCount;
  private final CudaTensor sinkRows;
  private final CudaTensor sinkBlocks;
  private final int queryTileCount;
  private final int queryBlockCount;
  private final int partialRows;
  private final int sinkRowCount;
  private final int mostSinks;

  HopperPlan(
      CudaDevice device,
      AttentionPattern pattern,
      Documents documents,
      int heads,
      int keyValueHeads) {
    this.device = device;
    int multiprocessors = device.info().multiprocessors();
    WorkLists<int[]> forward =
        new WorkLists<>(multiprocessors, item -> (item[1] - item[2]) / KEYS + 1);
    KeyTiles keys = new KeyTiles();
    DeviceRecords tiles = new DeviceRecords(FIELDS);
    DeviceRecords blocks = new DeviceRecords(BLOCK_FIELDS);
    DeviceRecords rows = new DeviceRecords(FIELDS);
    DeviceRecords list = new DeviceRecords(1);
    List<int[]> together = new ArrayList<>();
    int segmentsTogether = 0;
    int partial = 0;
    int most = 0;
    for (int document = 0; document < documents.count(); document++) {
      int start = documents.start(document);
      for (int kv = 0; kv < keyValueHeads; kv++) {
        int firstOfList = list.count();
        int sinks = 0;
        int queriesPerKv = heads / keyValueHeads;
        for (int head = kv * queriesPerKv; head < (kv + 1) * queriesPerKv; head++) {
          for (Segment segment : pattern.segments(head, heads, documents.length(document))) {
            int from = start + segment.start();
            int end = from + segment.length();
            for (int query = from; query < end; query += KEYS) {
              together.add(new int[] {head, query, from, end, start, segment.sinks()});
            }
            if (++segmentsTogether == SEGMENTS_TOGETHER) {
              forward.add(together);
              together.clear();
              segmentsTogether = 0;
            }
            int firstTile = tiles.count();
            int count = (segment.length() + QUERIES - 1) / QUERIES;
            for (int i = 0; i < count; i++) {
              tiles.add(head, from + i * QUERIES, end, start, segment.sinks());
            }
            for (int i = 0; i < count; i += TILES_OF_BLOCK) {
              int block = blocks.add(firstTile + i, Math.min(TILES_OF_BLOCK, count - i), partial);
              partial += 2 * segment.sinks();
              if (segment.sinks() > 0) {
                list.add(block);
              }
            }
            sinks = Math.max(sinks, segment.sinks());
            keys.add(head, from, segment.length(), firstTile);
          }
        }
        if (sinks > 0) {
          rows.add(kv, start, sinks, firstOfList, list.count());
          most = Math.max(most, sinks);
        }
      }
    }
    forward.add(together);
    this.forwardItems = upload(DeviceRecords.of(FIELDS, forward.items()));
    this.forwardOffsets = upload(forward.offsets());
    this.queryTiles = upload(tiles);
    this.queryBlocks = upload(blocks);
    List<int[]> items = keys.items();
    this.keyTiles = upload(DeviceRecords.of(FIELDS, items));
    this.keyTileCount = items.size();
    this.sinkRows = upload(rows);
    this.sinkBlocks = upload(list);
    this.queryTileCount = tiles.count();
    this.queryBlockCount = blocks.count();
    this.partialRows = partial;
    this.sinkRowCount = rows.count();
    this.mostSinks = most;
  }

  private CudaTensor upload(DeviceRecords records) {
    CudaTensor tensor = records.upload(device);
    uploaded.add(tensor);
    return tensor;
  }

  private CudaTensor upload(int[] values) {
    CudaTensor tensor = DeviceRecords.upload(device, values);
    uploaded.add(tensor);
    return tensor;
  }

  CudaTensor forwardItems() {
    return forwardItems;
  }

  CudaTensor forwardOffsets() {
    return forwardOffsets;
  }

  CudaTensor queryTiles() {
    return queryTiles;
  }

  int queryTileCount() {
    return queryTileCount;
  }

  CudaTensor queryBlocks() {
    return queryBlocks;
  }

  int queryBlockCount() {
    return queryBlockCount;
  }

  CudaTensor keyTiles() {
    return keyTiles;
  }

  int keyTileCount() {
    return keyTileCount;
  }

  /** Rows of the buffer in which the query blocks leave their sums for the sinks. */
  int partialRows() {
    return partialRows;
  }

  CudaTensor sinkRows() {
    return sinkRows;
  }

  /** The query blocks that the sink rows refer to. */
  CudaTensor sinkBlocks() {
    return sinkBlocks;
  }

  int sinkRowCount() {
    return sinkRowCount;
  }

  int mostSinks() {
    return mostSinks;
  }

  @Override
  public void close() {
    uploaded.forEach(CudaTensor::close);
  }
}
