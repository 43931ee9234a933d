package org.sinklora.lora;

import org.sinklora.compute.Device;
import org.sinklora.compute.Documents;
import org.sinklora.compute.RopeTable;
import org.sinklora.compute.Tensor;
import org.sinklora.sfattn.Attention;

/**
 * What the modules share during one forward and its backward.
 *
 * @param device who computes
 * @param attention its attention kernels
 * @param batch the tokens
 * @param positions position of each token in its document
 * @param rope rotations up to the longest document
 * @param plan pattern of each layer
 * @param dropoutKey seed of this pass's dropout; null in evaluation, where nothing is dropped
 * @param firstToken token at row 0 of the matrices that the modules see; 0 except where a chunk of
 *     the tokens is worked on
 * @param tileRows tokens that the MLP works on at a time
 * @param temporary tensors that live within one layer
 */
record Pass(
    Device device,
    Attention attention,
    TokenBatch batch,
    int[] positions,
    RopeTable rope,
    AttentionPlan plan,
    Long dropoutKey,
    int firstToken,
    int tileRows,
    Workspace temporary) {

  int tokens() {
    return batch.tokens();
  }

  Documents documents() {
    return batch.documents();
  }

  /** The same for a chunk of the tokens that begins with {@code token}. */
  Pass from(int token) {
    return new Pass(
        device, attention, batch, positions, rope, plan, dropoutKey, token, tileRows, temporary);
  }

  boolean drops(LoraPair lora) {
    return dropoutKey != null && lora.dropout() > 0;
  }

  /**
   * Drops elements of x [rows, c] as {@code lora} asks, the same ones in forward and backward. A
   * document loses the same elements whatever else is in its batch.
   */
  void dropout(LoraPair lora, Tensor x, Tensor y) {
    int firstRow = firstToken;
    int endRow = firstToken + (int) x.dim(0);
    for (int d = 0; d < documents().count(); d++) {
      int from = Math.max(firstRow, documents().start(d));
      int to = Math.min(endRow, documents().end(d));
      if (from < to) {
        long key = mix(mix(dropoutKey, lora.id()), batch.firstSequence() + d);
        long firstElement = (from - documents().start(d)) * x.dim(-1);
        device.dropout(
            x.rows(from - firstRow, to - firstRow),
            lora.dropout(),
            key,
            firstElement,
            y.rows(from - firstRow, to - firstRow));
      }
    }
  }

  /** A key for {@code part} of what {@code key} stands for. */
  static long mix(long key, long part) {
    long z = key * 0x9E3779B97F4A7C15L + part;
    z = (z ^ (z >>> 32)) * 0xD6E8FEB86659FD93L;
    return z ^ (z >>> 32);
  }
}
