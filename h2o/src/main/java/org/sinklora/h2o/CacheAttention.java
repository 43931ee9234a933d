package org.sinklora.h2o;

import java.util.Arrays;
import org.sinklora.compute.RowKernels;

/** Attention of one token's query heads over the cached positions of their kv head. */
final class CacheAttention {
  private final CacheKernels kernels = CacheKernels.best();
  private final RowKernels rows = RowKernels.best();
  private final RankRotation rotation;
  private final int dim;
  private final int group;

  /** A part of the work on one head. */
  @FunctionalInterface
  private interface Step {
    void run(HeadWork work);
  }

  // Called from one place, so that C2 compiles every step by itself: inlined together they exceed
  // its node budget, and it boxes vectors.
  private final Step[] steps = {this::scores, this::softmax, this::values};

  /**
   * @param rotation for caches whose keys are stored as they are
   */
  CacheAttention(DecoderShape shape, RankRotation rotation) {
    this.rotation = rotation;
    this.dim = shape.config().headDim();
    this.group = shape.group();
  }

  /**
   * Attends and, where the policy wants it, adds the probabilities to the positions' scores.
   *
   * @param cache of the layer, the new token in it
   * @param q rotated queries, those of the group {@code qRow} apart from {@code qAt} on; scaled
   *     here
   * @param rope whether the keys are to be rotated by their place
   * @param scored whether probabilities count
   * @param out receives [group, dim] from {@code outAt} on
   * @param work of the worker
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
      HeadWork work) {
    work.start(cache, head, group, dim);
    work.q = q;
    work.qAt = qAt;
    work.qRow = qRow;
    work.rope = rope;
    work.scored = scored;
    for (Step step : steps) {
      step.run(work);
    }
    int valueStride = cache.block(0).valueStride();
    for (int g = 0; g < group; g++) {
      for (int c = 0; c < dim; c++) {
        out[outAt + g * dim + c] = work.factors[g] * work.attended[g * valueStride + c];
      }
    }
  }

  private void scores(HeadWork work) {
    float scale = (float) (1 / Math.sqrt(dim));
    for (int g = 0; g < group; g++) {
      for (int c = 0; c < dim; c++) {
        work.q[work.qAt + g * work.qRow + c] *= scale;
      }
    }
    CacheSlots slots = work.slots();
    int stride = work.cache.slots();
    int blockSlots = work.cache.block(0).slots();
    for (int slot = 0; slot < slots.used(); slot += KvBlock.PANEL) {
      KvBlock block = work.cache.block(slot / blockSlots);
      int panel = slot % blockSlots / KvBlock.PANEL;
      float[] keys = block.keyPanel(work.head, panel, work.keyRoom);
      int at = block.keyPanelAt(work.head, panel);
      if (work.rope == RopePositions.CACHE) {
        int inUse = Math.min(KvBlock.PANEL, slots.used() - slot);
        rotation.apply(keys, at, dim, slots.ranks(), slot, inUse, work.rotated);
        keys = work.rotated;
        at = 0;
      }
      kernels.scores(work.q, work.qAt, work.qRow, group, keys, at, dim, work.scores, slot, stride);
    }
  }

  private void softmax(HeadWork work) {
    CacheSlots slots = work.slots();
    int stride = work.cache.slots();
    for (int g = 0; g < group; g++) {
      float maximum = rows.max(work.scores, g * stride, slots.used());
      float sum = rows.expAndSum(work.scores, g * stride, slots.used(), maximum);
      work.factors[g] = 1 / sum;
      if (work.scored) {
        slots.addScores(work.scores, g * stride, 1 / sum);
      }
    }
  }

  private void values(HeadWork work) {
    int used = work.slots().used();
    int stride = work.cache.slots();
    int blockSlots = work.cache.block(0).slots();
    int valueStride = work.cache.block(0).valueStride();
    Arrays.fill(work.attended, 0, group * valueStride, 0f);
    for (int slot = 0; slot < used; slot += KvBlock.PANEL) {
      KvBlock block = work.cache.block(slot / blockSlots);
      int panel = slot % blockSlots / KvBlock.PANEL;
      float[] values = block.valuePanel(work.head, panel, work.valueRoom);
      kernels.values(
          work.scores,
          slot,
          stride,
          group,
          values,
          block.valuePanelAt(work.head, panel),
          valueStride,
          Math.min(KvBlock.PANEL, used - slot),
          work.attended);
    }
  }
}
