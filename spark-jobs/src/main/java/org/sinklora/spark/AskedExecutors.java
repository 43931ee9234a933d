package org.sinklora.spark;

import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.spark.SparkConf;

/**
 * The executors that an application asks its cluster for.
 *
 * @param executors how many; 0 where they come with work, {@link #NOBODY_SAYS} where it takes what
 *     there is
 * @param cores how many all of them have
 * @param patience for how long none may come before the others are given up
 */
record AskedExecutors(int executors, int cores, Duration patience) {
  static final int NOBODY_SAYS = Integer.MAX_VALUE;

  private static final Pattern LOCAL_CLUSTER =
      Pattern.compile("local-cluster\\[\\s*(\\d+)\\s*,\\s*(\\d+)\\s*,.*]");

  /** Until a cluster has made room for a container and started it. */
  private static final Duration LONG = Duration.ofMinutes(1);

  /** Until a worker that is there has started an executor. */
  private static final Duration MIDDLE = Duration.ofSeconds(15);

  /** From one of several executors that start at the same time to the next. */
  private static final Duration SHORT = Duration.ofSeconds(2);

  /** Those of an application with executors of their own. */
  static AskedExecutors of(SparkConf conf) {
    if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
      return dynamic(conf);
    }
    String master = conf.get("spark.master");
    Matcher workers = LOCAL_CLUSTER.matcher(master);
    if (workers.matches()) {
      return localCluster(
          conf, Integer.parseInt(workers.group(1)), Integer.parseInt(workers.group(2)));
    }
    if (master.startsWith("spark:")) {
      return standalone(conf);
    }
    // Two are what YARN and Kubernetes give who asks for no number.
    return new AskedExecutors(conf.getInt("spark.executor.instances", 2), 0, LONG);
  }

  /** Those that it begins with: more come when tasks wait. */
  private static AskedExecutors dynamic(SparkConf conf) {
    int least = conf.getInt("spark.dynamicAllocation.minExecutors", 0);
    int initial = conf.getInt("spark.dynamicAllocation.initialExecutors", least);
    int instances = conf.getInt("spark.executor.instances", 0);
    return new AskedExecutors(Math.max(initial, instances), 0, LONG);
  }

  private static AskedExecutors localCluster(SparkConf conf, int workers, int coresOfWorker) {
    int cores = conf.getInt("spark.executor.cores", coresOfWorker);
    int limit = conf.getInt("spark.cores.max", Integer.MAX_VALUE) / cores;
    int executors = Math.max(1, Math.min(limit, workers * (coresOfWorker / cores)));
    return new AskedExecutors(executors, 0, LONG);
  }

  /** What is asked for is a limit there, of which the workers may have less. */
  private static AskedExecutors standalone(SparkConf conf) {
    int limit = conf.getInt("spark.cores.max", 0);
    if (limit == 0) {
      return new AskedExecutors(NOBODY_SAYS, 0, SHORT);
    }
    int cores = conf.getInt("spark.executor.cores", 0);
    return cores == 0
        ? new AskedExecutors(1, limit, MIDDLE)
        : new AskedExecutors(Math.max(1, limit / cores), 0, MIDDLE);
  }

  boolean areMetBy(RegisteredExecutors there) {
    return there.ids().size() >= executors && there.cores() >= cores;
  }

  @Override
  public String toString() {
    return cores == 0
        ? "%,d %s".formatted(executors, executors == 1 ? "executor" : "executors")
        : "executors with %,d cores".formatted(cores);
  }
}
