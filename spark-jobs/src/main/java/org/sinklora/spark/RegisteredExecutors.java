package org.sinklora.spark;

import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.scheduler.local.LocalSchedulerBackend;
import org.apache.spark.status.api.v1.ExecutorSummary;
import scala.jdk.javaapi.CollectionConverters;

/**
 * The executors that an application has, or the process that does all of its tasks.
 *
 * @param coresOf by the name that Spark gives an executor
 * @param coresOfTask that a task takes
 * @param parallelism into how many tasks work is cut where nothing else decides
 */
record RegisteredExecutors(Map<String, Integer> coresOf, int coresOfTask, int parallelism) {
  /** What Spark calls the driver where executors are named. */
  static final String DRIVER = "driver";

  /** Those that are there now. */
  static RegisteredExecutors now(JavaSparkContext spark) {
    SparkConf conf = spark.getConf();
    Map<String, Integer> coresOf = new TreeMap<>();
    if (spark.sc().schedulerBackend() instanceof LocalSchedulerBackend local) {
      coresOf.put(DRIVER, local.totalCores());
    } else {
      for (ExecutorSummary executor :
          CollectionConverters.asJava(spark.sc().statusStore().executorList(true))) {
        if (!executor.id().equals(DRIVER)) {
          coresOf.put(executor.id(), executor.totalCores());
        }
      }
    }
    int cores = coresOf.values().stream().mapToInt(Integer::intValue).sum();
    return new RegisteredExecutors(
        coresOf,
        conf.getInt("spark.task.cpus", 1),
        Math.max(1, conf.getInt("spark.default.parallelism", cores)));
  }

  Set<String> ids() {
    return coresOf.keySet();
  }

  /** Of all executors. */
  int cores() {
    return coresOf.values().stream().mapToInt(Integer::intValue).sum();
  }

  /** Of the executor that has the least. */
  int leastCores() {
    return coresOf.values().stream().mapToInt(Integer::intValue).min().orElse(1);
  }

  /** Tasks that run at a time. */
  int slots() {
    return Math.max(1, coresOf.values().stream().mapToInt(this::slots).sum());
  }

  /** Tasks that the largest executor runs at a time. */
  int mostSlots() {
    return Math.max(1, coresOf.values().stream().mapToInt(this::slots).max().orElse(1));
  }

  private int slots(int cores) {
    return cores / coresOfTask;
  }
}
