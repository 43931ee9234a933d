package org.sinklora.spark;

import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.util.LongAccumulator;

/** Waits for a Spark job while its progress is shown. */
final class Waiting {
  private static final long LOOK_MILLIS = 500;

  private Waiting() {}

  /**
   * @param total what {@code done} will be at the end
   */
  static <T> T on(
      JavaFutureAction<T> job, String task, String unit, long total, LongAccumulator done) {
    try (Progress progress = new Progress(task, unit, total)) {
      while (true) {
        try {
          T result = job.get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
          progress.update(total, "");
          return result;
        } catch (TimeoutException e) {
          progress.update(Math.min(total - 1, done.value()), "");
        }
      }
    } catch (ExecutionException e) {
      throw new RuntimeException(e);
    } catch (InterruptedException e) {
      job.cancel(true);
      Thread.currentThread().interrupt();
      throw new UserException("Interrupted", e);
    }
  }
}
