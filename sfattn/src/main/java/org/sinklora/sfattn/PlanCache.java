package org.sinklora.sfattn;

import java.util.HashMap;
import java.util.Map;
import java.util.function.Supplier;
import org.sinklora.compute.Documents;

/** The plans of one batch's documents: layers and both passes of a step share them. */
final class PlanCache<P extends AutoCloseable> {
  private record Key(AttentionPattern pattern, int heads, int keyValueHeads) {}

  private final Map<Key, P> plans = new HashMap<>();
  private Documents planned;

  P get(
      AttentionPattern pattern,
      Documents documents,
      int heads,
      int keyValueHeads,
      Supplier<P> make) {
    if (documents != planned) {
      clear();
      planned = documents;
    }
    return plans.computeIfAbsent(new Key(pattern, heads, keyValueHeads), key -> make.get());
  }

  void clear() {
    for (P plan : plans.values()) {
      try {
        plan.close();
      } catch (Exception e) {
        throw new IllegalStateException("A plan could not be freed", e);
      }
    }
    plans.clear();
    planned = null;
  }
}
