package org.sinklora.spark;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * What a task computes with (device, activations), kept in the process from one task to the next.
 * There are as many as tasks run at a time. A job with other settings replaces them.
 */
final class TaskWorkers {
  private static final Deque<AutoCloseable> IDLE = new ArrayDeque<>();
  private static Object current;

  private TaskWorkers() {}

  /**
   * Runs something with a worker that no other task has at the time.
   *
   * @param key equal for workers that can stand for each other
   * @param create makes a worker if none is idle
   */
  static <W extends AutoCloseable, R> R with(Object key, Supplier<W> create, Function<W, R> work) {
    W worker = borrow(key);
    if (worker == null) {
      worker = create.get();
    }
    boolean sound = false;
    try {
      R result = work.apply(worker);
      sound = true;
      return result;
    } finally {
      giveBack(key, worker, sound);
    }
  }

  // The key stands for the type of the workers it was used with.
  @SuppressWarnings("unchecked")
  private static synchronized <W extends AutoCloseable> W borrow(Object key) {
    if (!key.equals(current)) {
      closeIdle();
      current = key;
    }
    return (W) IDLE.poll();
  }

  private static synchronized void giveBack(Object key, AutoCloseable worker, boolean sound) {
    if (sound && key.equals(current)) {
      IDLE.push(worker);
    } else {
      // After a failure its gradients are half added up.
      close(worker);
    }
  }

  /** Frees the workers that no task is using. */
  static synchronized void closeIdle() {
    IDLE.forEach(TaskWorkers::close);
    IDLE.clear();
  }

  private static void close(AutoCloseable worker) {
    try {
      worker.close();
    } catch (Exception e) {
      throw new IllegalStateException("A worker could not be closed", e);
    }
  }
}
