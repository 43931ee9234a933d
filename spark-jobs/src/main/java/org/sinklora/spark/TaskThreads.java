package org.sinklora.spark;

import org.apache.spark.api.java.JavaSparkContext;

/**
 * How a job's items are divided: into how many tasks, and how many threads each of them computes
 * with.
 *
 * @param tasks number of partitions
 * @param threads threads of a task
 */
record TaskThreads(int tasks, int threads) {

  /**
   * As many tasks as there are cores or items, and the cores of an executor shared out among the
   * tasks that run on it at a time.
   *
   * @param items number of items of the job
   * @param tasks 0 to choose
   * @param threads 0 to choose
   */
  static TaskThreads plan(JavaSparkContext spark, int items, int tasks, int threads) {
    int cores = Math.max(1, spark.defaultParallelism());
    int chosenTasks = tasks > 0 ? Math.min(tasks, items) : Math.min(items, cores);
    int share = Math.max(1, cores / chosenTasks);
    int chosenThreads = threads > 0 ? threads : Math.min(share, executorCores(spark, cores));
    return new TaskThreads(chosenTasks, chosenThreads);
  }

  private static int executorCores(JavaSparkContext spark, int cores) {
    return isOneProcess(spark) ? cores : spark.getConf().getInt("spark.executor.cores", cores);
  }

  /** Whether driver and executor are this process. */
  static boolean isOneProcess(JavaSparkContext spark) {
    return spark.getConf().get("spark.master").matches("local(\\[.*])?");
  }
}
