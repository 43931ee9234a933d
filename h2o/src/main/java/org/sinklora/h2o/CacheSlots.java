package org.sinklora.h2o;

import java.util.Arrays;

/**
 * The slots of one kv head in one layer: which position lies in which, and its score.
 *
 * <p>Slots [0, used) hold positions, all alive but for at most one: the slot of the last evicted
 * position, which takes the next token.
 */
public final class CacheSlots {
  private static final int NOBODY = -1;

  private int[] positions;
  private double[] scores;
  private int[] ranks;
  private int used;
  private int free = NOBODY;
  private int last = NOBODY;

  /**
   * @param scored whether positions have scores
   * @param ranked whether each slot's place among the alive positions is kept
   */
  CacheSlots(int capacity, boolean scored, boolean ranked) {
    positions = new int[capacity];
    scores = scored ? new double[capacity] : null;
    ranks = ranked ? new int[capacity] : null;
  }

  /**
   * Slots as they are elsewhere.
   *
   * @param positions of all slots in use
   * @param scores of the same; null under a policy without
   * @param free the slot of the last evicted position; -1 for none
   * @param last the position written last
   */
  static CacheSlots of(int[] positions, double[] scores, int free, int last) {
    CacheSlots slots = new CacheSlots(0, false, false);
    slots.positions = positions;
    slots.scores = scores;
    slots.used = positions.length;
    slots.free = free;
    slots.last = last;
    return slots;
  }

  static long bytes(int capacity, boolean scored, boolean ranked) {
    int each = Integer.BYTES + (scored ? Double.BYTES : 0) + (ranked ? Integer.BYTES : 0);
    return (long) capacity * each;
  }

  long bytes() {
    return bytes(positions.length, scores != null, ranks != null);
  }

  CacheSlots copy() {
    CacheSlots copy = new CacheSlots(0, scores != null, ranks != null);
    copy.positions = positions.clone();
    copy.scores = scores == null ? null : scores.clone();
    copy.ranks = ranks == null ? null : ranks.clone();
    copy.used = used;
    copy.free = free;
    copy.last = last;
    return copy;
  }

  void grow(int capacity) {
    positions = Arrays.copyOf(positions, capacity);
    scores = scores == null ? null : Arrays.copyOf(scores, capacity);
    ranks = ranks == null ? null : Arrays.copyOf(ranks, capacity);
  }

  /** Slots that hold a position, or held the one evicted last. */
  public int used() {
    return used;
  }

  /** Number of positions that are alive. */
  public int alive() {
    return free == NOBODY ? used : used - 1;
  }

  /** Whether the slot, below {@link #used()}, holds a position that is alive. */
  public boolean isAlive(int slot) {
    return slot != free;
  }

  /** The position in a slot. */
  public int position(int slot) {
    return positions[slot];
  }

  /** The score of the position in a slot; 0 under a policy without scores. */
  public double score(int slot) {
    return scores == null ? 0 : scores[slot];
  }

  /** The position written last. */
  public int lastPosition() {
    return last;
  }

  /**
   * The alive slot with the lowest score among positions before {@code end}, of equal ones the one
   * with the older position; {@link KvCachePolicy#NONE} if there is none.
   */
  public int lightestBefore(int end) {
    int lightest = KvCachePolicy.NONE;
    double least = Double.POSITIVE_INFINITY;
    for (int slot = 0; slot < used; slot++) {
      if (positions[slot] >= end || slot == free || scores[slot] > least) {
        continue;
      }
      boolean older = lightest == KvCachePolicy.NONE || positions[slot] < positions[lightest];
      if (scores[slot] < least || older) {
        lightest = slot;
        least = scores[slot];
      }
    }
    return lightest;
  }

  /** Claims a slot for a new position, later than all others. */
  int append(int position, double score) {
    int slot = free;
    if (slot == NOBODY) {
      slot = used;
      used++;
    }
    free = NOBODY;
    positions[slot] = position;
    last = position;
    if (scores != null) {
      scores[slot] = score;
    }
    if (ranks != null) {
      ranks[slot] = used - 1;
    }
    return slot;
  }

  /** The position in a slot is gone; the slot takes the next one. */
  void evict(int slot) {
    free = slot;
    if (ranks != null) {
      int rank = ranks[slot];
      for (int i = 0; i < used; i++) {
        if (ranks[i] > rank) {
          ranks[i]--;
        }
      }
    }
  }

  /** The place of each slot's position among those alive, oldest first. */
  int[] ranks() {
    return ranks;
  }

  /** Adds {@code factor · weights[at + slot]} to every score. */
  void addScores(float[] weights, int at, float factor) {
    for (int slot = 0; slot < used; slot++) {
      scores[slot] += factor * weights[at + slot];
    }
  }
}
