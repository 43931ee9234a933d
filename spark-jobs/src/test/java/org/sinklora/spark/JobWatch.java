package org.sinklora.spark;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.spark.scheduler.SparkListener;
import org.apache.spark.scheduler.SparkListenerJobStart;

/** Notes the description of each job; Spark makes it by its name. */
public final class JobWatch extends SparkListener {
  static final List<String> DESCRIPTIONS = new CopyOnWriteArrayList<>();

  /** Made by Spark. */
  public JobWatch() {}

  @Override
  public void onJobStart(SparkListenerJobStart start) {
    DESCRIPTIONS.add(String.valueOf(start.properties().getProperty("spark.job.description")));
  }

  /** What was noted since the last time; the session must have ended, which empties its queues. */
  static List<String> take() {
    List<String> taken = List.copyOf(DESCRIPTIONS);
    DESCRIPTIONS.clear();
    return taken;
  }
}
