package org.sinklora.spark;

import org.apache.spark.SparkContext;
import org.apache.spark.sql.SparkSession;
import scala.Option;

/**
 * What Spark's UI calls the jobs that this thread starts until this is closed; then it is again
 * what it was before. Without a Spark session it does nothing.
 */
final class JobDescription implements AutoCloseable {
  private static final boolean SPARK = ClassPath.hasSpark();

  private final Runnable restore;

  private JobDescription(Runnable restore) {
    this.restore = restore;
  }

  static JobDescription of(String text) {
    return new JobDescription(SPARK ? Jobs.describe(text) : () -> {});
  }

  @Override
  public void close() {
    restore.run();
  }

  /** Apart, since it can't be loaded without Spark. */
  private static final class Jobs {
    private static final String DESCRIPTION = "spark.job.description";

    static Runnable describe(String text) {
      Option<SparkSession> session = SparkSession.getDefaultSession();
      if (session.isEmpty()) {
        return () -> {};
      }
      SparkContext context = session.get().sparkContext();
      String before = context.getLocalProperty(DESCRIPTION);
      context.setJobDescription(text);
      return () -> context.setJobDescription(before);
    }
  }
}
