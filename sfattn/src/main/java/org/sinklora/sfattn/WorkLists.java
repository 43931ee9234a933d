package org.sinklora.sfattn;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToIntFunction;

/**
 * Deals items of known cost out to blocks that each work through a list of their own: item by item
 * to the block with the least to do so far.
 */
final class WorkLists<T> {
  private final ToIntFunction<T> cost;
  private final long[] load;
  private final List<List<T>> lists = new ArrayList<>();

  /**
   * @param blocks number of lists
   * @param cost of an item, in any unit; every item costs one unit more
   */
  WorkLists(int blocks, ToIntFunction<T> cost) {
    this.cost = cost;
    this.load = new long[blocks];
    for (int i = 0; i < blocks; i++) {
      lists.add(new ArrayList<>());
    }
  }

  /** Adds items, the costliest first, so that the lists end together. */
  void add(List<T> items) {
    List<T> sorted = new ArrayList<>(items);
    sorted.sort(Comparator.comparingInt(cost).reversed());
    for (T item : sorted) {
      int least = 0;
      for (int i = 1; i < load.length; i++) {
        if (load[i] < load[least]) {
          least = i;
        }
      }
      lists.get(least).add(item);
      load[least] += cost.applyAsInt(item) + 1;
    }
  }

  /** All items, list after list. */
  List<T> items() {
    List<T> all = new ArrayList<>();
    lists.forEach(all::addAll);
    return all;
  }

  /** Where each list begins in {@link #items}, and where the last one ends. */
  int[] offsets() {
    int[] offsets = new int[lists.size() + 1];
    for (int i = 0; i < lists.size(); i++) {
      offsets[i + 1] = offsets[i] + lists.get(i).size();
    }
    return offsets;
  }

  /** How evenly the lists are filled: 1 if they end together. */
  double balance() {
    long most = Arrays.stream(load).max().orElse(0);
    return most == 0 ? 1 : Arrays.stream(load).average().orElse(0) / most;
  }
}
