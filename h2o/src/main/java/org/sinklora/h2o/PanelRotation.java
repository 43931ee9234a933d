package org.sinklora.h2o;

/** The inner loop of {@link RankRotation}. Two implementations, one test. */
interface PanelRotation {
  /**
   * Rotates the pairs (row i, row i + pairs) of a panel, slot s by the angle whose cosine is {@code
   * cos[i · length + ranks[ranksAt + s]]}.
   *
   * @param slots slots in use; the others' results are undefined
   */
  void rotate(
      float[] keys,
      int at,
      int pairs,
      float[] cos,
      float[] sin,
      int length,
      int[] ranks,
      int ranksAt,
      int slots,
      float[] out);
}
