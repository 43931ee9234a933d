package org.sinklora.sfattn;

import java.util.List;

/**
 * Which keys a query attends to, head by head. Positions count from the start of a document; tokens
 * of different documents never see each other under any pattern.
 */
public sealed interface AttentionPattern
    permits FullAttention, SinkFixedAttention, S2CyclicAttention {

  /** Causal attention to all earlier tokens. */
  static AttentionPattern full() {
    return new FullAttention();
  }

  /**
   * Sink Fixed Attention (SinkLoRA, arXiv 2406.05678): causal attention inside groups of {@code
   * groupSize} tokens, and to the first {@code sinkTokens} tokens of the document from everywhere
   * behind them (StreamingLLM, arXiv 2309.17453). In the last {@code floor(shiftedHeadRatio ·
   * heads)} heads the groups begin half a group earlier, so that information crosses the borders of
   * the others (LongLoRA, arXiv 2309.12307); the remaining heads are "reassembled".
   *
   * <p>Any document length is legal; groups at its two ends may be partial. With {@code
   * shiftedHeadRatio} ½ and no sinks this is LongLoRA's S²-Attn without its leak.
   *
   * @param groupSize tokens of a group; even and at least 2
   * @param shiftedHeadRatio share of the heads that are shifted, in [0, 1]
   * @param sinkTokens tokens that every later one sees, at least 0
   * @throws IllegalArgumentException if a parameter is outside its range
   */
  static AttentionPattern sinkFixed(int groupSize, double shiftedHeadRatio, int sinkTokens) {
    return new SinkFixedAttention(groupSize, shiftedHeadRatio, sinkTokens);
  }

  /**
   * Shifted sparse attention as LongLoRA's code computes it, for comparison only. The second half
   * of the heads is rolled by half a group along the document before it is cut into groups, so the
   * document's first half-group comes after its last one in a group and sees it: the future leaks
   * into the past.
   *
   * @param groupSize tokens of a group; even and at least 2. Documents must be multiples of it
   * @throws IllegalArgumentException if the group size is not even or below 2
   */
  static AttentionPattern s2Cyclic(int groupSize) {
    return new S2CyclicAttention(groupSize);
  }

  /** What {@link #named} knows. */
  List<String> NAMES = List.of("full", "s2", "sf");

  /**
   * The pattern that settings and measurements call by a short name: {@code full}, {@code s2}
   * (cyclic) or {@code sf} (Sink Fixed).
   *
   * @param groupSize of {@code s2} and {@code sf}
   * @param shiftedHeadRatio of {@code sf}
   * @param sinkTokens of {@code sf}
   * @throws IllegalArgumentException if there is no such name, or the pattern refuses a parameter
   */
  static AttentionPattern named(
      String name, int groupSize, double shiftedHeadRatio, int sinkTokens) {
    return switch (name) {
      case "full" -> full();
      case "sf" -> sinkFixed(groupSize, shiftedHeadRatio, sinkTokens);
      case "s2" -> s2Cyclic(groupSize);
      default ->
          throw new IllegalArgumentException(
              "The attention is '%s'; choose full, s2 or sf".formatted(name));
    };
  }

  /**
   * The definition: whether query position {@code i} attends to key position {@code j}.
   *
   * @param i position of the query, in [0, length)
   * @param j position of the key, in [0, length)
   * @param head query head, in [0, heads)
   * @param heads number of query heads
   * @param length tokens of the document
   * @throws IllegalArgumentException if the pattern cannot take a document of that length
   */
  boolean allowed(int i, int j, int head, int heads, int length);

  /**
   * The same as something to compute: segments that hold every position exactly once.
   *
   * @throws IllegalArgumentException if the pattern cannot take a document of that length
   */
  List<Segment> segments(int head, int heads, int length);

  /**
   * Pairs of query and key that attend in all heads together. A pair costs {@code 4 · headDim}
   * floating-point operations in the forward and {@code 10 · headDim} in the backward.
   */
  default long pairs(int heads, int length) {
    long pairs = 0;
    for (int head = 0; head < heads; head++) {
      for (Segment segment : segments(head, heads, length)) {
        pairs += segment.pairs();
      }
    }
    return pairs;
  }
}
