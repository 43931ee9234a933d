package org.sinklora.spark;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import org.apache.spark.SparkContext;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Waits for the executors of an application before its work is cut: they come one after the other
 * when it has begun.
 */
final class ExecutorWait {
  private static final long LOOK_MILLIS = 50;

  /** The application whose executors have been waited for: those that died are not. */
  private static WeakReference<SparkContext> awaited = new WeakReference<>(null);

  private ExecutorWait() {}

  /**
   * The executors, at least one; the first call of an application waits for those it asked for, and
   * says so if some have not come.
   *
   * @throws UserException if the thread is interrupted
   */
  static synchronized RegisteredExecutors of(JavaSparkContext spark) {
    if (TaskThreads.isOneProcess(spark)) {
      return RegisteredExecutors.now(spark);
    }
    if (awaited.get() == spark.sc()) {
      return atLeastOne(spark);
    }
    AskedExecutors asked = AskedExecutors.of(spark.getConf());
    RegisteredExecutors there = come(spark, asked);
    if (there.ids().isEmpty()) {
      atLeastOne(spark);
      there = come(spark, asked);
    }
    awaited = new WeakReference<>(spark.sc());
    if (!asked.areMetBy(there) && asked.executors() != AskedExecutors.NOBODY_SAYS) {
      System.err.printf(
          "Going on with executors %s, which have %,d cores: Spark was asked for %s, but in %d s no other has come%n",
          String.join(", ", there.ids()), there.cores(), asked, asked.patience().toSeconds());
    }
    return there;
  }

  /** Those that are there when all have come, or when for too long none has. */
  private static RegisteredExecutors come(JavaSparkContext spark, AskedExecutors asked) {
    RegisteredExecutors there = RegisteredExecutors.now(spark);
    long last = System.nanoTime();
    while (!asked.areMetBy(there)
        && Duration.ofNanos(System.nanoTime() - last).compareTo(asked.patience()) < 0) {
      sleep();
      Set<String> before = there.ids();
      there = RegisteredExecutors.now(spark);
      if (!before.containsAll(there.ids())) {
        last = System.nanoTime();
      }
    }
    return there;
  }

  /** A job waits until there is an executor, and has a cluster start one where it has none yet. */
  private static RegisteredExecutors atLeastOne(JavaSparkContext spark) {
    RegisteredExecutors there = RegisteredExecutors.now(spark);
    while (there.ids().isEmpty()) {
      try (JobDescription job = JobDescription.of("Waiting for the executors")) {
        spark.parallelize(List.of(0), 1).count();
      }
      sleep();
      there = RegisteredExecutors.now(spark);
    }
    return there;
  }

  private static void sleep() {
    try {
      Thread.sleep(LOOK_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new UserException("Interrupted", e);
    }
  }
}
