package org.sinklora.spark;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/** Processor time of a task, which what else runs on the machine does not change. */
final class TaskClock {
  private TaskClock() {}

  /** Of this thread, native code included; the time of day where the system does not count it. */
  static long nanos() {
    ThreadMXBean threads = ManagementFactory.getThreadMXBean();
    return threads.isCurrentThreadCpuTimeSupported()
        ? threads.getCurrentThreadCpuTime()
        : System.nanoTime();
  }
}
