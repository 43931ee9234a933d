package org.sinklora.compute;

import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;

/**
 * Threads that run one task together and meet at barriers inside it.
 *
 * <p>{@link CpuDevice#forEach} hands every loop over to sleeping threads, which costs tens of
 * microseconds a loop. Decoding a token is some thirty loops of that length, so there the threads
 * stay awake for the whole token and wait for each other spinning. They go to sleep when no task
 * comes for a while. A call allocates nothing.
 */
public final class CpuTeam implements AutoCloseable {
  /** How long a member stays awake for the next task. */
  private static final long AWAKE_NANOS = 300_000;

  /** Spins before a waiting member lets other threads run: the machine may have fewer cores. */
  private static final int SPINS = 4_000;

  /** What every member runs. */
  @FunctionalInterface
  public interface Task {
    /**
     * @param member which of the {@link #threads()} members runs it, from 0
     */
    void run(int member);
  }

  /** Gets the other members out of a barrier when one has failed. */
  private static final class Abandoned extends RuntimeException {
    private static final long serialVersionUID = 1;

    Abandoned() {
      super("Another member of the team failed", null, false, false);
    }
  }

  private final int threads;
  private final Thread[] helpers;
  private final AtomicInteger running = new AtomicInteger();
  private final AtomicInteger arrived = new AtomicInteger();
  private final AtomicReference<Throwable> failure = new AtomicReference<>();
  private volatile Task task;
  private volatile int taskNumber;
  private volatile int phase;
  private volatile boolean closed;

  /**
   * @param threads members, the caller's thread included
   * @throws IllegalArgumentException if {@code threads} is below 1
   */
  public CpuTeam(int threads) {
    if (threads < 1) {
      throw new IllegalArgumentException("A team needs at least 1 thread, not " + threads);
    }
    this.threads = threads;
    this.helpers = new Thread[threads - 1];
    for (int i = 0; i < helpers.length; i++) {
      int member = i + 1;
      helpers[i] = new Thread(() -> serve(member), "sinklora-team-" + member);
      helpers[i].setDaemon(true);
      helpers[i].start();
    }
  }

  /** Number of members. */
  public int threads() {
    return threads;
  }

  /**
   * Runs the task once on every member, the caller being member 0, and returns when all have ended.
   * To be called by one thread at a time.
   *
   * @throws RuntimeException what a member threw first
   */
  public void run(Task newTask) {
    if (closed) {
      throw new IllegalStateException("The team is closed");
    }
    if (threads == 1) {
      newTask.run(0);
      return;
    }
    failure.set(null);
    arrived.set(0);
    running.set(threads - 1);
    task = newTask;
    taskNumber = taskNumber + 1;
    for (Thread helper : helpers) {
      // Costs nothing to speak of where the thread is awake.
      LockSupport.unpark(helper);
    }
    attempt(newTask, 0);
    for (int spins = 0; running.get() > 0; spins++) {
      pause(spins);
    }
    task = null;
    Throwable thrown = failure.get();
    if (thrown instanceof Error error) {
      throw error;
    }
    if (thrown != null) {
      throw (RuntimeException) thrown;
    }
  }

  /** Inside a task: waits until every member is here. What they wrote before is visible after. */
  public void barrier() {
    if (threads == 1) {
      return;
    }
    int current = phase;
    if (arrived.incrementAndGet() == threads) {
      arrived.set(0);
      phase = current + 1;
      return;
    }
    for (int spins = 0; phase == current; spins++) {
      if (failure.get() != null) {
        throw new Abandoned();
      }
      pause(spins);
    }
  }

  private void attempt(Task current, int member) {
    try {
      current.run(member);
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
    }
  }

  private static void pause(int spins) {
    if (spins < SPINS) {
      Thread.onSpinWait();
    } else {
      Thread.yield();
    }
  }

  private void serve(int member) {
    int done = 0;
    while (true) {
      done = awaitTask(done);
      if (closed) {
        return;
      }
      attempt(task, member);
      running.decrementAndGet();
    }
  }

  private int awaitTask(int done) {
    long sleepAt = System.nanoTime() + AWAKE_NANOS;
    for (int spins = 0; taskNumber == done && !closed; spins++) {
      if (spins % 64 == 63 && System.nanoTime() - sleepAt > 0) {
        LockSupport.park(this);
      } else {
        Thread.onSpinWait();
      }
    }
    return taskNumber;
  }

  /** Ends the threads. */
  @Override
  public void close() {
    closed = true;
    for (Thread helper : helpers) {
      LockSupport.unpark(helper);
    }
  }
}
