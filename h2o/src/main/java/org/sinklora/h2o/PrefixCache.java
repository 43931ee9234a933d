package org.sinklora.h2o;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.Iterator;

/**
 * Caches of what has been read before. A prompt that starts with it, under the same adapter,
 * policy, precision and positions, continues from a copy. The least recently used go when there are
 * too many bytes.
 */
final class PrefixCache {
  /** What has to be equal for a cache to be of use. */
  private record Kind(
      ServedModel model, KvCachePolicy policy, CachePrecision precision, RopePositions rope) {}

  private record Entry(Kind kind, int[] tokens, SequenceCache cache) {}

  private final long maxBytes;
  private final Deque<Entry> entries = new ArrayDeque<>();
  private long bytes;

  /**
   * @param maxBytes bytes that may be kept; 0 keeps nothing
   */
  PrefixCache(long maxBytes) {
    this.maxBytes = maxBytes;
  }

  /** A cache found, and how many tokens it has read. */
  record Hit(SequenceCache cache, int tokens) {}

  /** The longest cached beginning of a prompt, to be copied before use; null if there is none. */
  Hit find(ServedModel model, GenerationRequest request) {
    Kind kind = kind(model, request);
    Entry best = null;
    for (Entry entry : entries) {
      boolean longer = best == null || entry.tokens.length > best.tokens.length;
      if (longer && entry.kind.equals(kind) && isProperPrefix(entry.tokens, request.prompt())) {
        best = entry;
      }
    }
    if (best == null) {
      return null;
    }
    entries.remove(best);
    entries.addFirst(best);
    return new Hit(best.cache, best.tokens.length);
  }

  /** Models are compared as objects: an adapter loaded anew under an old name is another one. */
  private static Kind kind(ServedModel model, GenerationRequest request) {
    return new Kind(model, request.policy(), request.precision(), request.rope());
  }

  private static boolean isProperPrefix(int[] tokens, int[] prompt) {
    return tokens.length < prompt.length
        && Arrays.equals(tokens, 0, tokens.length, prompt, 0, tokens.length);
  }

  /**
   * Keeps a cache, which from now on nobody else may change.
   *
   * @param tokens what it has read
   */
  void put(ServedModel model, GenerationRequest request, int[] tokens, SequenceCache cache) {
    Kind kind = kind(model, request);
    for (Iterator<Entry> i = entries.iterator(); i.hasNext(); ) {
      Entry entry = i.next();
      if (entry.kind.equals(kind) && Arrays.equals(entry.tokens, tokens)) {
        bytes -= entry.cache.residentBytes();
        i.remove();
      }
    }
    entries.addFirst(new Entry(kind, tokens, cache));
    bytes += cache.residentBytes();
    while (bytes > maxBytes) {
      bytes -= entries.removeLast().cache.residentBytes();
    }
  }

  boolean isEnabled() {
    return maxBytes > 0;
  }

  /** Forgets what a model has read. */
  void remove(ServedModel model) {
    for (Iterator<Entry> i = entries.iterator(); i.hasNext(); ) {
      Entry entry = i.next();
      if (entry.kind.model == model) {
        bytes -= entry.cache.residentBytes();
        i.remove();
      }
    }
  }
}
