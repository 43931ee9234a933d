package org.sinklora.spark;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.network.util.JavaUtils;

/**
 * Whether the memory of executors and driver reaches for a training: of the machine that they
 * share, of the container that YARN or Kubernetes puts around each executor, and of the Java heap.
 *
 * @param needed what the training takes
 * @param tasksAtATime tasks that an executor runs at a time
 * @param overheadBytes what an executor may take outside its heap; {@link Long#MAX_VALUE} where
 *     nobody watches over that
 */
record MemoryReach(TrainingMemory needed, int tasksAtATime, long overheadBytes) {
  private static final long LEAST_OVERHEAD = 384L << 20;
  private static final double OVERHEAD_FACTOR = 0.1;
  private static final String LESS =
      "a shorter --context, --gradient-checkpointing true, fewer tasks at a time in an executor (spark.executor.cores, spark.task.cpus)";

  /**
   * Looks at the executors, before any work is done.
   *
   * @param executors as they described themselves
   * @param tasks number of tasks of a step
   * @throws UserException if one of them has less than it takes
   */
  static void check(
      JavaSparkContext spark,
      List<ExecutorFacts> executors,
      ModelSource source,
      TrainSettings settings,
      int tasks) {
    SparkConf conf = spark.getConf();
    int atATime = Math.min(tasks, RegisteredExecutors.now(spark).mostSlots());
    MemoryReach reach =
        new MemoryReach(TrainingMemory.of(source, settings), atATime, overhead(conf));
    if (TaskThreads.isOneProcess(spark)) {
      reach.checkProcess(executors.get(0));
    } else {
      reach.checkExecutors(executors, ExecutorFacts.here());
    }
  }

  /** As Spark reckons it, in the two places where more than that ends an executor. */
  static long overhead(SparkConf conf) {
    String master = conf.get("spark.master", "");
    if (!master.startsWith("yarn") && !master.startsWith("k8s:")) {
      return Long.MAX_VALUE;
    }
    // As everywhere in Spark, a number without a unit is of MiB.
    long heap = JavaUtils.byteStringAsMb(conf.get("spark.executor.memory", "1g")) << 20;
    double factor = conf.getDouble("spark.executor.memoryOverheadFactor", OVERHEAD_FACTOR);
    String set = conf.get("spark.executor.memoryOverhead", null);
    return set != null
        ? JavaUtils.byteStringAsMb(set) << 20
        : Math.max(LEAST_OVERHEAD, (long) (factor * heap));
  }

  /** Driver and executor in one. */
  void checkProcess(ExecutorFacts process) {
    long heap = needed.processHeap(tasksAtATime);
    if (heap > process.heapBytes()) {
      throw new UserException(
          "Adapter and gradients (%s in each copy, %d %s at a time) take %s of this process's Java heap, but it has %s; give Java more with -Xmx%s or more (SINKLORA_JAVA_OPTS, or spark.driver.memory of spark-submit), fewer tasks at a time (--master local[1], spark.task.cpus), or train fewer values"
              .formatted(
                  size(needed.values()),
                  tasksAtATime,
                  tasksAtATime == 1 ? "task" : "tasks",
                  size(heap),
                  size(process.heapBytes()),
                  mebibytes(heap)));
    }
    long bytes = needed.process(tasksAtATime);
    if (bytes > process.machineBytes()) {
      throw refused(
          bytes,
          "This process",
          "but this machine has %s".formatted(size(process.machineBytes())),
          "choose " + LESS);
    }
    if (process.processBytes() > 0 && bytes > process.processBytes()) {
      throw refused(
          bytes,
          "This process",
          "but may take %s, four times its Java heap".formatted(size(process.processBytes())),
          "give Java more with -Xmx (SINKLORA_JAVA_OPTS), or choose " + LESS);
    }
  }

  /**
   * @param driver which may share a machine with executors
   */
  void checkExecutors(List<ExecutorFacts> executors, ExecutorFacts driver) {
    long driverHeap = needed.driverHeap();
    if (driverHeap > driver.heapBytes()) {
      throw new UserException(
          "Adapter and gradients (%s in each copy) take %s of the driver's Java heap, but it has %s; give it more with spark.driver.memory %s or more (-Xmx in SINKLORA_JAVA_OPTS for ./sinklora), or train fewer values"
              .formatted(
                  size(needed.values()),
                  size(driverHeap),
                  size(driver.heapBytes()),
                  mebibytes(driverHeap)));
    }
    for (ExecutorFacts executor : executors) {
      long heap = needed.heap(tasksAtATime);
      if (heap > executor.heapBytes()) {
        throw new UserException(
            "Gradients take %s of an executor's Java heap, but it has %s; set spark.executor.memory to %s or more, or train fewer values"
                .formatted(size(heap), size(executor.heapBytes()), mebibytes(heap)));
      }
    }
    long outside = needed.outsideHeap(tasksAtATime);
    if (outside > overheadBytes) {
      throw refused(
          outside,
          "Outside its Java heap an executor",
          "but may take %s before it is ended".formatted(size(overheadBytes)),
          "set spark.executor.memoryOverhead to %s or more, or choose %s"
              .formatted(mebibytes(outside), LESS));
    }
    Map<String, List<ExecutorFacts>> hosts =
        executors.stream()
            .collect(
                Collectors.groupingBy(
                    ExecutorFacts::host, LinkedHashMap::new, Collectors.toList()));
    hosts.forEach((host, sharers) -> checkHost(host, sharers, host.equals(driver.host())));
  }

  private void checkHost(String host, List<ExecutorFacts> sharers, boolean hasDriver) {
    long available = sharers.get(0).machineBytes();
    long own = needed.executor(tasksAtATime);
    long all = sharers.size() * own + (hasDriver ? needed.driver() : 0);
    if (all > available) {
      throw refused(
          own,
          "An executor",
          "but %s has %s, and %d %s there%s"
              .formatted(
                  host,
                  size(available),
                  sharers.size(),
                  sharers.size() == 1 ? "executor runs" : "executors run",
                  hasDriver ? " and the driver, with " + size(needed.driver()) : ""),
          "choose fewer executors a host, or " + LESS);
    }
  }

  private UserException refused(long bytes, String who, String but, String wayOut) {
    return new UserException(
        "%s needs %s (base weights %s, %d %s at a time %s each), %s; %s"
            .formatted(
                who,
                size(bytes),
                size(needed.weights()),
                tasksAtATime,
                tasksAtATime == 1 ? "task" : "tasks",
                size(needed.task()),
                but,
                wayOut));
  }

  private static String mebibytes(long bytes) {
    return ((bytes >> 20) + 1) + "m";
  }

  private static String size(long bytes) {
    return bytes < 1L << 30
        ? "%,d MiB".formatted(bytes >> 20)
        : String.format(Locale.ROOT, "%.1f GiB", bytes / (double) (1L << 30));
  }
}
