package org.sinklora.spark;

import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.spark.TaskContext;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.compute.Tensor;
import org.sinklora.lora.GradientExchange;
import org.sinklora.lora.InMemoryExchange;

/**
 * Ranks that are tasks of one process, each on a CPU device of one thread.
 *
 * @param failsAtStep the step, counted from 0, in which the last rank fails in its first attempt;
 *     −1 for none
 */
record ThreadRanks(int failsAtStep) implements RankDevices {
  private static final long serialVersionUID = 1;
  private static final Map<String, InMemoryExchange.Group> GROUPS = new ConcurrentHashMap<>();

  /** Groups made so far: one for each attempt of a stage. */
  static final AtomicInteger MADE = new AtomicInteger();

  @Override
  public Device open(TaskContext task) {
    return new CpuDevice(1);
  }

  @Override
  public String kind(Device device) {
    return "cpu";
  }

  @Override
  public String newGroup() {
    return MADE.incrementAndGet() + " " + UUID.randomUUID();
  }

  @Override
  public GradientExchange join(
      String group, Device device, int rank, int ranks, BooleanSupplier givenUp) {
    GradientExchange exchange =
        GROUPS
            .computeIfAbsent(group, name -> new InMemoryExchange.Group(ranks))
            .join(rank, device, givenUp);
    boolean fails = failsAtStep >= 0 && rank == ranks - 1 && group.startsWith("1 ");
    return fails ? new Failing(exchange, failsAtStep) : exchange;
  }

  /** An exchange whose rank fails in the middle of a step. */
  private static final class Failing implements GradientExchange {
    private final GradientExchange exchange;
    private int stepsLeft;

    Failing(GradientExchange exchange, int steps) {
      this.exchange = exchange;
      this.stepsLeft = steps;
    }

    @Override
    public int rank() {
      return exchange.rank();
    }

    @Override
    public int size() {
      return exchange.size();
    }

    @Override
    public void sum(Tensor gradients) {
      if (stepsLeft-- == 0) {
        throw new IllegalStateException("this rank was told to fail");
      }
      exchange.sum(gradients);
    }

    @Override
    public double sum(double value) {
      return exchange.sum(value);
    }

    @Override
    public void close() {
      exchange.close();
    }
  }
}
