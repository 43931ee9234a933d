package org.sinklora.spark;

import org.apache.spark.api.java.JavaSparkContext;

/**
 * How a job's items are divided: into how many tasks, and how many threads each of them computes
 * with.
 *
 * @param tasks number of partitions
 * @param threads threads of a task
 * @param atATime tasks that run at a time
 */
record TaskThreads(int tasks, int threads, int atATime) {

  /**
   * As many tasks as there are cores or items, and the cores of an executor shared out among the
   * tasks that run on it at a time. The first plan of an application waits for its executors.
   *
   * @param items number of items of the job
   * @param tasks 0 to choose
   * @param threads 0 to choose
   */
  static TaskThreads plan(JavaSparkContext spark, int items, int tasks, int threads) {
    return plan(ExecutorWait.of(spark), items, tasks, threads);
  }

  /** The same for these executors. */
  static TaskThreads plan(RegisteredExecutors executors, int items, int tasks, int threads) {
    int chosenTasks = Math.min(items, tasks > 0 ? tasks : executors.parallelism());
    int atATime = Math.min(chosenTasks, executors.slots());
    int share = Math.max(1, executors.cores() / atATime);
    int chosenThreads = threads > 0 ? threads : Math.min(share, executors.leastCores());
    return new TaskThreads(chosenTasks, chosenThreads, atATime);
  }

  /** Whether driver and executor are this process. */
  static boolean isOneProcess(JavaSparkContext spark) {
    return spark.getConf().get("spark.master").matches("local(\\[.*])?");
  }
}
