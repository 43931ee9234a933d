package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * The items of the backward's local part, in the order in which multiprocessors take them: 128 keys
 * of a segment, against the segment's query tiles from theirs on.
 *
 * <p>What an item adds to dQ waits until the item of the next keys of its segment has added its
 * own. So that one comes before it: who is waited for has always begun.
 */
final class KeyTiles {
  /** Keys of an item, as hopper_backward.cu has them. */
  static final int KEYS = 128;

  private final List<List<int[]>> segments = new ArrayList<>();

  /**
   * Adds a segment of a head.
   *
   * @param from its first token
   * @param length its tokens
   * @param firstTile number of its first query tile
   */
  void add(int head, int from, int length, int firstTile) {
    int tiles = (length + HopperPlan.QUERIES - 1) / HopperPlan.QUERIES;
    List<int[]> items = new ArrayList<>();
    for (int key = (length - 1) / KEYS * KEYS; key >= 0; key -= KEYS) {
      int tile = key / HopperPlan.QUERIES;
      items.add(new int[] {head, from + key, from + length, firstTile + tile, tiles - tile});
    }
    segments.add(items);
  }

  /** The fields of each KeyTile; the segments of few keys last, so that all end together. */
  List<int[]> items() {
    return segments.stream()
        .sorted(Comparator.comparingInt((List<int[]> items) -> items.size()).reversed())
        .flatMap(List::stream)
        .toList();
  }
}
