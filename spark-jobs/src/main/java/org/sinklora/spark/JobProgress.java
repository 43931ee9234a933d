package org.sinklora.spark;

import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleFunction;
import java.util.function.DoubleSupplier;

/** Shows how far a Spark job is while another thread waits for it. */
final class JobProgress implements AutoCloseable {
  private static final long MILLIS = 500;
  private static final double SHORT_SECONDS = 10;

  private final Progress progress;
  private final long total;
  private final DoubleSupplier done;
  private final long start = System.nanoTime();
  private final ScheduledExecutorService timer =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "progress");
            thread.setDaemon(true);
            return thread;
          });
  private DoubleFunction<String> note = seconds -> "";

  /**
   * @param unit what is counted
   * @param total how many there are
   * @param done how many are done, asked from time to time
   */
  JobProgress(String task, String unit, double total, DoubleSupplier done) {
    this.total = (long) Math.ceil(total);
    this.done = done;
    this.progress = new Progress(task, unit, this.total);
    timer.scheduleWithFixedDelay(this::show, MILLIS, MILLIS, TimeUnit.MILLISECONDS);
  }

  /** What else there is to say after so many seconds. */
  synchronized void note(DoubleFunction<String> said) {
    note = said;
  }

  private synchronized void show() {
    long now = (long) done.getAsDouble();
    // The end is told by finish, once.
    if (now < total) {
      progress.update(now, note.apply((System.nanoTime() - start) / 1e9));
    }
  }

  /** The job is done; of a short one nothing is said. */
  synchronized void finish() {
    double seconds = (System.nanoTime() - start) / 1e9;
    if (seconds > SHORT_SECONDS || System.console() != null) {
      progress.update(total, note.apply(seconds));
    }
  }

  @Override
  public void close() {
    timer.shutdownNow();
    progress.close();
  }
}
