package org.sinklora.sfattn;

import org.sinklora.compute.Documents;
import org.sinklora.compute.Heads;
import org.sinklora.compute.Tensor;

/** Checks what a caller passed before a kernel touches memory. */
final class AttentionShapes {
  private AttentionShapes() {}

  static void requireForward(
      Documents documents, Heads q, Heads k, Heads v, Heads out, Tensor logSumExp) {
    if (q.heads() % k.heads() != 0) {
      throw new IllegalArgumentException(
          "%d query heads cannot share %d key-value heads: the first must be a multiple of the second"
              .formatted(q.heads(), k.heads()));
    }
    int tokens = documents.tokens();
    requireFits("q", q, tokens);
    requireSame("k", k, k.heads(), q.headDim(), tokens);
    requireSame("v", v, k.heads(), q.headDim(), tokens);
    requireSame("out", out, q.heads(), q.headDim(), tokens);
    if (logSumExp.size() != (long) tokens * q.heads()) {
      throw new IllegalArgumentException(
          "logSumExp has %d elements, but %d tokens of %d heads need %d"
              .formatted(logSumExp.size(), tokens, q.heads(), (long) tokens * q.heads()));
    }
  }

  static void requireBackward(
      Documents documents, Heads q, Heads k, Heads dOut, Heads dQ, Heads dK, Heads dV) {
    int tokens = documents.tokens();
    requireSame("dOut", dOut, q.heads(), q.headDim(), tokens);
    requireSame("dQ", dQ, q.heads(), q.headDim(), tokens);
    requireSame("dK", dK, k.heads(), q.headDim(), tokens);
    requireSame("dV", dV, k.heads(), q.headDim(), tokens);
  }

  private static void requireSame(String name, Heads heads, int count, int dim, int tokens) {
    if (heads.heads() != count || heads.headDim() != dim) {
      throw new IllegalArgumentException(
          "%s has %d heads of %d components, but should have %d of %d"
              .formatted(name, heads.heads(), heads.headDim(), count, dim));
    }
    requireFits(name, heads, tokens);
  }

  private static void requireFits(String name, Heads heads, int tokens) {
    long end = heads.index(tokens - 1L, heads.heads() - 1) + heads.headDim();
    if (end > heads.data().size()) {
      throw new IllegalArgumentException(
          "%s: the documents have %d tokens, whose heads end at element %d of a tensor of %d"
              .formatted(name, tokens, end, heads.data().size()));
    }
  }
}
