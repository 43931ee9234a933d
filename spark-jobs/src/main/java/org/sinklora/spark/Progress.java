package org.sinklora.spark;

import java.time.Duration;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows how far long work is, its rate and the time that is left: a bar on a terminal, a line from
 * time to time elsewhere.
 */
final class Progress implements AutoCloseable {
  private static final long LINE_INTERVAL_NANOS = Duration.ofSeconds(10).toNanos();

  private final String task;
  private final String unit;
  private final long total;
  private final long first;
  private final long start = System.nanoTime();
  private final ProgressBar bar;
  private long lastLine = start;

  /**
   * @param unit what is counted, for example {@code steps}
   * @param total how many there are
   * @param first how many were done before, in an earlier run
   */
  Progress(String task, String unit, long total, long first) {
    this.task = task;
    this.unit = unit;
    this.total = total;
    this.first = first;
    this.bar =
        System.console() == null
            ? null
            : new ProgressBarBuilder()
                .setTaskName(task)
                .setUnit(" " + unit, 1)
                .setInitialMax(total)
                .setStyle(ProgressBarStyle.ASCII)
                .setUpdateIntervalMillis(500)
                .startsFrom(first, Duration.ZERO)
                .showSpeed()
                .build();
  }

  Progress(String task, String unit, long total) {
    this(task, unit, total, 0);
  }

  /**
   * @param done how many are done now
   * @param note what else there is to say, for example a loss
   */
  void update(long done, String note) {
    if (bar != null) {
      bar.stepTo(done);
      bar.setExtraMessage(note);
      return;
    }
    long now = System.nanoTime();
    if (now - lastLine >= LINE_INTERVAL_NANOS || done == total) {
      lastLine = now;
      System.err.println(line(done, note, (now - start) / 1e9));
    }
  }

  private String line(long done, String note, double seconds) {
    double rate = (done - first) / seconds;
    long left = rate > 0 ? Math.round((total - done) / rate) : 0;
    return "%s: %,d of %,d %s, %.2f a second, %d:%02d left%s"
        .formatted(
            task,
            done,
            total,
            unit,
            rate,
            left / 60,
            left % 60,
            note.isEmpty() ? "" : " | " + note);
  }

  @Override
  public void close() {
    if (bar != null) {
      bar.close();
    }
  }
}
