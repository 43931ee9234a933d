package org.sinklora.spark;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.TreeSet;

/** Whether all executors add up in the same order: CPUs of other vector widths do not. */
final class ExecutorKernels {
  private ExecutorKernels() {}

  /** Says on standard error where a run that is repeated may come to other bytes. */
  static void warn(List<ExecutorFacts> executors) {
    warning(executors).ifPresent(System.err::println);
  }

  static Optional<String> warning(List<ExecutorFacts> executors) {
    Map<String, TreeSet<String>> hosts = new TreeMap<>();
    for (ExecutorFacts executor : executors) {
      hosts.computeIfAbsent(executor.kernels(), kernels -> new TreeSet<>()).add(executor.host());
    }
    return hosts.size() < 2
        ? Optional.empty()
        : Optional.of(
            "Executors compute with different kernels: %s. The run is sound, but another one may differ from it in the last bits, since it depends on which executor does a task; take executors of one kind for the same bytes"
                .formatted(hosts));
  }
}
