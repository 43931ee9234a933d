package org.sinklora.h2o;

import org.sinklora.compute.CpuTeam;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;

/**
 * Causal attention of successive tokens of one sequence over its cache, for policies that keep all
 * of them: the tokens are appended together, and tiles of queries then meet the cache panel by
 * panel. A query sees the slots up to its own, since slots fill in the order of the text.
 */
final class CachePanelAttention implements AttentionStage {
  private static final int TILE = TileForward.TILE;

  private final DecoderShape shape;
  private final DecoderPass pass;
  private final CpuTeam team;
  private final RankRotation rotation;
  private final TileForward forward;
  private final RowKernels kernels = RowKernels.best();
  private final int dim;
  private final int pairs;
  private final float[] cos;
  private final float[] sin;
  private Sequence sequence;
  private int firstSlot;
  private int count;

  CachePanelAttention(
      DecoderShape shape,
      DecoderPass pass,
      CpuTeam team,
      RankRotation rotation,
      int pairs,
      int maxRows) {
    this.shape = shape;
    this.pass = pass;
    this.team = team;
    this.rotation = rotation;
    this.forward = new TileForward(shape);
    this.dim = shape.config().headDim();
    this.pairs = pairs;
    this.cos = new float[maxRows * pairs];
    this.sin = new float[maxRows * pairs];
  }

  /** Sets the tokens, after the cache has made room for them. */
  void at(Sequence newSequence, int newCount, RopeAngles angles) {
    sequence = newSequence;
    count = newCount;
    firstSlot = sequence.cache().layer(0).head(0).used();
    boolean places = sequence.cache().rope() == RopePositions.CACHE;
    int first = places ? firstSlot : sequence.position();
    for (int row = 0; row < count; row++) {
      float[] frequencies = angles.frequencies(first + row + 1);
      angles.fill(frequencies, first + row, cos, sin, row * pairs);
    }
  }

  @Override
  public void run(int layer, int member, Scratch own) {
    for (int head = member; head < shape.config().numKeyValueHeads(); head += team.threads()) {
      append(layer, head);
    }
    team.barrier();
    int heads = shape.config().numAttentionHeads();
    int queryTiles = (count + TILE - 1) / TILE;
    for (int item = member; item < heads * queryTiles; item += team.threads()) {
      tile(sequence.cache().layer(layer), item % heads, item / heads, own);
    }
  }

  /** Rotates the queries of a kv head and its keys, and puts keys and values into the cache. */
  private void append(int layer, int head) {
    float[] qkv = pass.qkv();
    int stride = shape.headStride();
    boolean rotated = sequence.cache().rope() == RopePositions.ORIGINAL;
    LayerCache cache = sequence.cache().layer(layer);
    for (int row = 0; row < count; row++) {
      int base = row * shape.qkvSize();
      for (int g = 0; g < shape.group(); g++) {
        int queryAt = base + shape.queryAt() + (head * shape.group() + g) * stride;
        kernels.rotate(qkv, queryAt, pairs, cos, sin, row * pairs, 1);
      }
      int keyAt = base + shape.keyAt() + head * stride;
      if (rotated) {
        kernels.rotate(qkv, keyAt, pairs, cos, sin, row * pairs, 1);
      }
      int valueAt = base + shape.valueAt() + head * stride;
      cache.append(head, sequence.position() + row, 0, qkv, keyAt, qkv, valueAt);
    }
  }

  private void tile(LayerCache cache, int head, int tile, Scratch own) {
    int kvHead = head / shape.group();
    int queries = Math.min(TILE, count - tile * TILE);
    float[] columns = own.floats(ScratchSlots.TILE_QUERIES, dim * TILE);
    forward.start(head, pass.qkv(), tile * TILE, queries, columns, 0, own);
    int firstQuery = firstSlot + tile * TILE;
    int end = firstQuery + queries;
    int blockSlots = cache.block(0).slots();
    for (int slot = 0; slot < end; slot += KvBlock.PANEL) {
      KvBlock block = cache.block(slot / blockSlots);
      int panel = slot % blockSlots / KvBlock.PANEL;
      int n = Math.min(KvBlock.PANEL, end - slot);
      float[] keyRoom = own.floats(ScratchSlots.KEY_PANEL, dim * KvBlock.PANEL);
      float[] keys = block.keyPanel(kvHead, panel, keyRoom);
      int keysAt = block.keyPanelAt(kvHead, panel);
      if (sequence.cache().rope() == RopePositions.CACHE) {
        float[] rotated = own.floats(ScratchSlots.ROTATED_PANEL, dim * KvBlock.PANEL);
        rotation.apply(keys, keysAt, dim, cache.head(kvHead).ranks(), slot, n, rotated);
        keys = rotated;
        keysAt = 0;
      }
      float[] valueRoom = own.floats(ScratchSlots.VALUE_PANEL, block.valueStride() * KvBlock.PANEL);
      forward.add(
          columns,
          0,
          forward.width(queries),
          keys,
          keysAt,
          1,
          KvBlock.PANEL,
          block.valuePanel(kvHead, panel, valueRoom),
          block.valuePanelAt(kvHead, panel),
          block.valueStride(),
          n,
          slot - firstQuery,
          own);
    }
    forward.finish(head, pass.attended(), tile * TILE, queries, own);
  }
}
