package org.sinklora.lora;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Tensor;

/** Ranks, here threads of one process, do the steps of the trainer that is alone. */
class GradientExchangeTest {
  private static final int STEPS = 8;
  private static final double BOUND = 1e-5;

  @TempDir Path temp;
  private final ExecutorService threads = Executors.newCachedThreadPool();

  @AfterEach
  void stopThreads() throws InterruptedException {
    threads.shutdownNow();
    assertTrue(threads.awaitTermination(1, TimeUnit.MINUTES), "a rank still waits");
  }

  private record Outcome(List<StepResult> steps, List<Float> values) {}

  /** The sequences of a step, as batches of one. */
  private static List<TokenBatch> sequences(long step) {
    List<TokenBatch> sequences = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      sequences.addAll(TrainingRun.batches(4 * step + i).subList(0, 1));
    }
    return sequences;
  }

  private Outcome train(GradientExchange exchange, CpuDevice device) throws IOException {
    Path folder = temp.resolve("rank" + exchange.rank() + "of" + exchange.size());
    try (TrainingRun run =
        TrainingRun.start(
            folder, device, TrainingRun.DROPOUT, UnaryOperator.identity(), exchange)) {
      List<StepResult> results = new ArrayList<>();
      for (int step = 0; step < STEPS; step++) {
        List<TokenBatch> all = sequences(step);
        int from = all.size() * exchange.rank() / exchange.size();
        int to = all.size() * (exchange.rank() + 1) / exchange.size();
        results.add(run.trainer().step(all.subList(from, to)));
      }
      return new Outcome(results, run.values());
    }
  }

  private List<Future<Outcome>> start(int ranks) {
    InMemoryExchange.Group group = new InMemoryExchange.Group(ranks);
    List<Future<Outcome>> outcomes = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      int own = rank;
      outcomes.add(
          threads.submit(
              () -> {
                try (CpuDevice device = new CpuDevice(1);
                    GradientExchange exchange = group.join(own, device, () -> false)) {
                  return train(exchange, device);
                }
              }));
    }
    return outcomes;
  }

  // With five ranks and four sequences one rank has nothing to do.
  @ParameterizedTest
  @ValueSource(ints = {2, 3, 5})
  void ranksTogetherDoTheStepsOfOne(int ranks) throws Exception {
    Outcome alone;
    try (CpuDevice device = new CpuDevice(1)) {
      alone = train(GradientExchange.alone(), device);
    }
    List<Future<Outcome>> outcomes = start(ranks);
    Outcome first = outcomes.get(0).get(2, TimeUnit.MINUTES);
    for (Future<Outcome> other : outcomes) {
      assertEquals(first, other.get(2, TimeUnit.MINUTES), "the same bits on every rank");
    }
    for (int step = 0; step < STEPS; step++) {
      StepResult one = alone.steps().get(step);
      StepResult many = first.steps().get(step);
      assertEquals(one.predictions(), many.predictions());
      assertEquals(one.learningRate(), many.learningRate());
      assertEquals(one.loss(), many.loss(), BOUND, "step " + (step + 1));
      assertEquals(one.gradNorm(), many.gradNorm(), BOUND * one.gradNorm(), "step " + (step + 1));
    }
    // And again the same bits.
    assertEquals(first, start(ranks).get(0).get(2, TimeUnit.MINUTES));
  }

  @Test
  void aRankThatIsGivenUpFreesTheOthers() throws Exception {
    InMemoryExchange.Group group = new InMemoryExchange.Group(3);
    AtomicBoolean stopped = new AtomicBoolean();
    List<Future<Double>> waiting = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      int own = rank;
      waiting.add(
          threads.submit(
              () -> {
                try (GradientExchange exchange = group.join(own, null, stopped::get)) {
                  return exchange.sum(1.0);
                }
              }));
    }
    Thread.sleep(50);
    assertFalse(waiting.get(0).isDone());
    stopped.set(true);
    for (Future<Double> rank : waiting) {
      ExecutionException e =
          assertThrows(ExecutionException.class, () -> rank.get(1, TimeUnit.MINUTES));
      assertTrue(e.getCause().getMessage().contains("of 3 waited"), e.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> group.join(3, null, stopped::get));
  }

  @Test
  void ranksOfDifferentAdaptersAreRefused() throws Exception {
    InMemoryExchange.Group group = new InMemoryExchange.Group(2);
    List<Future<?>> ranks = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      int own = rank;
      ranks.add(
          threads.submit(
              () -> {
                try (CpuDevice device = new CpuDevice(1);
                    Tensor gradients = device.allocate(5 + own);
                    GradientExchange exchange = group.join(own, device, () -> false)) {
                  exchange.sum(gradients);
                }
              }));
    }
    for (Future<?> rank : ranks) {
      ExecutionException e =
          assertThrows(ExecutionException.class, () -> rank.get(1, TimeUnit.MINUTES));
      assertTrue(e.getCause().getMessage().contains("different adapters"), e.getMessage());
    }
  }
}
