package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.RowKernels;
import org.sinklora.compute.Scratch;

/** Attention of one token's query heads over the cached positions of their kv head. */
final class CacheAttention {
  private final CacheKernels kernels = CacheKernels.best();
  private final RowKernels rows = RowKernels.best();
  private final RankRotation rotation;
  private final int dim;
  private final int group;

  /**
   * @param rotation for caches whose keys are stored as they are
   */
  CacheAttention(DecoderShape shape, RankRotation rotation) {
    this.rotation = rotation;
    this.dim = shape.config().headDim();
    this.group = shape.group();
  }

  /**
   * Attends and adds the probabilities to the positions' scores.
   *
   * @param q rotated queries, those of a group {@code qRow} apart from {@code qAt} on; scaled here
   * @param rope whether the keys are to be rotated by their place
   * @param scored whether probabilities count
   * @param out receives [group, dim] from {@code outAt} on
   */
  void attend(
      LayerCache cache,
      int head,
      float[] q,
      int qAt,
      int qRow,
      RopePositions rope,
      boolean scored,
      float[] out,
      int outAt,
      Scratch own) {
    CacheSlots slots = cache.head(head);
    int stride = cache.slots();
    float[] scores = own.floats(ScratchSlots.SCORES, group * stride);
    scale(q, qAt, qRow);
    scores(cache, head, q, qAt, qRow, rope, scores, own);
    int valueStride = cache.block(0).valueStride();
    float[] attended = own.floats(ScratchSlots.ATTENDED, group * (valueStride + 1));
    Arrays.fill(attended, 0, group * valueStride, 0f);
    for (int g = 0; g < group; g++) {
      float maximum = rows.max(scores, g * stride, slots.used());
      float sum = rows.expAndSum(scores, g * stride, slots.used(), maximum);
      attended[group * valueStride + g] = 1 / sum;
      if (scored) {
        slots.addScores(scores, g * stride, 1 / sum);
      }
    }
    values(cache, head, scores, attended, own);
    for (int g = 0; g < group; g++) {
      float factor = attended[group * valueStride + g];
      for (int c = 0; c < dim; c++) {
        out[outAt + g * dim + c] = factor * attended[g * valueStride + c];
      }
    }
  }

  private void scale(float[] q, int qAt, int qRow) {
    float scale = (float) (1 / Math.sqrt(dim));
    for (int g = 0; g < group; g++) {
      for (int c = 0; c < dim; c++) {
        q[qAt + g * qRow + c] *= scale;
      }
    }
  }

  private void scores(
      LayerCache cache,
      int head,
      float[] q,
      int qAt,
      int qRow,
      RopePositions rope,
      float[] scores,
      Scratch own) {
    CacheSlots slots = cache.head(head);
    int stride = cache.slots();
    int blockSlots = cache.block(0).slots();
    float[] room = own.floats(ScratchSlots.KEYS, dim * KvBlock.PANEL);
    float[] rotated = own.floats(ScratchSlots.ROTATED, dim * KvBlock.PANEL);
    for (int slot = 0; slot < slots.used(); slot += KvBlock.PANEL) {
      KvBlock block = cache.block(slot / blockSlots);
      int panel = slot % blockSlots / KvBlock.PANEL;
      float[] keys = block.keyPanel(head, panel, room);
      int at = block.keyPanelAt(head, panel);
      if (rope == RopePositions.CACHE) {
        int inUse = Math.min(KvBlock.PANEL, slots.used() - slot);
        rotation.apply(keys, at, dim, slots.ranks(), slot, inUse, rotated);
        keys = rotated;
        at = 0;
      }
      kernels.scores(q, qAt, qRow, group, keys, at, dim, scores, slot, stride);
    }
  }

  private void values(LayerCache cache, int head, float[] weights, float[] attended, Scratch own) {
    int used = cache.head(head).used();
    int stride = cache.slots();
    int blockSlots = cache.block(0).slots();
    int valueStride = cache.block(0).valueStride();
    float[] room = own.floats(ScratchSlots.VALUES, valueStride * KvBlock.PANEL);
    for (int slot = 0; slot < used; slot += KvBlock.PANEL) {
      KvBlock block = cache.block(slot / blockSlots);
      int panel = slot % blockSlots / KvBlock.PANEL;
      float[] values = block.valuePanel(head, panel, room);
      kernels.values(
          weights,
          slot,
          stride,
          group,
          values,
          block.valuePanelAt(head, panel),
          valueStride,
          Math.min(KvBlock.PANEL, used - slot),
          attended);
    }
  }
}
