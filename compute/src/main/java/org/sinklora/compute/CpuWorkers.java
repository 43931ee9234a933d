package org.sinklora.compute;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;

/**
 * A fixed set of threads that share the items of a loop. The caller works too. Items are claimed
 * one by one, so loops with uneven items stay balanced; a result must not depend on who ran what.
 */
final class CpuWorkers implements AutoCloseable {
  private final int threads;
  private final Scratch[] scratch;
  private final ExecutorService helpers;

  CpuWorkers(int threads) {
    this.threads = threads;
    this.scratch = new Scratch[threads];
    for (int i = 0; i < threads; i++) {
      scratch[i] = new Scratch();
    }
    AtomicInteger names = new AtomicInteger();
    this.helpers =
        threads == 1
            ? null
            : Executors.newFixedThreadPool(
                threads - 1,
                task -> {
                  Thread thread = new Thread(task, "sinklora-cpu-" + names.incrementAndGet());
                  thread.setDaemon(true);
                  return thread;
                });
  }

  int threads() {
    return threads;
  }

  void forEach(int items, CpuDevice.ItemTask task) {
    int workers = Math.min(threads, items);
    if (workers <= 1) {
      for (int item = 0; item < items; item++) {
        task.run(item, scratch[0]);
      }
      return;
    }
    AtomicInteger next = new AtomicInteger();
    AtomicReference<Throwable> failure = new AtomicReference<>();
    CountDownLatch done = new CountDownLatch(workers - 1);
    for (int worker = 1; worker < workers; worker++) {
      Scratch own = scratch[worker];
      helpers.execute(
          () -> {
            claim(next, items, task, own, failure);
            done.countDown();
          });
    }
    claim(next, items, task, scratch[0], failure);
    awaitAll(done);
    Throwable thrown = failure.get();
    if (thrown instanceof Error error) {
      throw error;
    }
    if (thrown != null) {
      throw (RuntimeException) thrown;
    }
  }

  private static void claim(
      AtomicInteger next,
      int items,
      CpuDevice.ItemTask task,
      Scratch own,
      AtomicReference<Throwable> failure) {
    try {
      for (int item = next.getAndIncrement(); item < items; item = next.getAndIncrement()) {
        task.run(item, own);
      }
    } catch (RuntimeException | Error e) {
      failure.compareAndSet(null, e);
      next.set(items);
    }
  }

  /** Tasks write to shared memory: they must have ended before the caller goes on or unwinds. */
  private static void awaitAll(CountDownLatch done) {
    boolean interrupted = false;
    while (true) {
      try {
        done.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  @Override
  public void close() {
    if (helpers != null) {
      helpers.shutdown();
    }
  }
}
