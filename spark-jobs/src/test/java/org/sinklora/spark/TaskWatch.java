package org.sinklora.spark;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerTaskEnd;
import org.apache.spark.scheduler.SparkListenerTaskStart;

/** Counts the tasks that fail, and tells of each that starts; Spark makes it by its name. */
public final class TaskWatch extends SparkListener {
  static final AtomicInteger FAILED = new AtomicInteger();
  private static volatile Consumer<SparkListenerTaskStart> onStart = start -> {};

  /** Made by Spark. */
  public TaskWatch() {}

  static void begin(Consumer<SparkListenerTaskStart> starts) {
    FAILED.set(0);
    onStart = starts;
  }

  @Override
  public void onTaskStart(SparkListenerTaskStart start) {
    onStart.accept(start);
  }

  @Override
  public void onTaskEnd(SparkListenerTaskEnd end) {
    if (end.taskInfo().failed()) {
      FAILED.incrementAndGet();
    }
  }
}
