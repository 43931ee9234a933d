package org.sinklora.compute.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledIf;
import org.sinklora.compute.RandomFloats;

/** Exchanges among as many GPUs as there are. */
@EnabledIf("org.sinklora.compute.cuda.GpuPresent#isPresent")
class CudaCommunicatorTest {
  private static final BooleanSupplier NEVER = () -> false;
  private static CudaDevice device;

  @BeforeAll
  static void open() {
    assumeTrue(CudaCommunicator.whyNone().isEmpty(), CudaCommunicator.whyNone());
    device = CudaDevice.open(0, CudaPrecision.BFLOAT16);
  }

  @AfterAll
  static void close() {
    if (device != null) {
      device.close();
    }
  }

  private static float[] values(CudaDevice of, CudaTensor tensor) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    of.download(tensor, values, 0);
    return values;
  }

  @Test
  void aGroupOfOneKeepsItsNumbers() {
    float[] source = new RandomFloats(1).next(100_003);
    try (CudaCommunicator alone = device.communicator(CudaCommunicator.uniqueId(), 0, 1, NEVER);
        CudaTensor floats = device.allocate(source.length);
        CudaTensor halves = device.allocate(ElementType.BFLOAT16, source.length)) {
      assertEquals(0, alone.rank());
      assertEquals(1, alone.size());
      device.upload(source, 0, floats);
      device.upload(source, 0, halves);
      float[] rounded = values(device, halves);
      for (CudaTensor tensor : List.of(floats, halves)) {
        alone.allReduceSum(tensor);
        alone.allReduceMean(tensor);
        alone.broadcast(tensor, 0);
      }
      alone.await();
      assertArrayEquals(source, values(device, floats));
      assertArrayEquals(rounded, values(device, halves));
      assertEquals(Math.PI, alone.sum(Math.PI));
      assertEquals(-1e300, alone.sum(-1e300));
    }
  }

  @Test
  void exchangesKeepTheOrderOfTheStream() {
    try (CudaCommunicator alone = device.communicator(CudaCommunicator.uniqueId(), 0, 1, NEVER);
        CudaTensor x = device.allocate(1 << 22)) {
      device.fill(x, 1);
      for (int i = 0; i < 10; i++) {
        alone.allReduceSum(x);
        device.scale(x, 2);
      }
      assertEquals(1024, values(device, x)[(1 << 22) - 1]);
    }
  }

  @Test
  void allGpusOfTheHostSumUp() throws Exception {
    int ranks = CudaDevice.list().size();
    int n = 1 << 20;
    List<float[]> sources = new ArrayList<>();
    for (int rank = 0; rank < ranks; rank++) {
      sources.add(new RandomFloats(rank).next(n));
    }
    byte[] id = CudaCommunicator.uniqueId();
    ExecutorService threads = Executors.newFixedThreadPool(ranks);
    try {
      List<Future<float[]>> sums = new ArrayList<>();
      for (int rank = 0; rank < ranks; rank++) {
        int own = rank;
        sums.add(threads.submit(() -> sum(id, own, ranks, sources.get(own))));
      }
      float[] first = sums.get(0).get(2, TimeUnit.MINUTES);
      for (Future<float[]> sum : sums) {
        assertArrayEquals(first, sum.get(2, TimeUnit.MINUTES), "the same bits on every rank");
      }
      for (int i = 0; i < n; i++) {
        double expected = 0;
        for (float[] source : sources) {
          expected += source[i];
        }
        assertEquals(expected, first[i], 1e-5, "element " + i);
      }
    } finally {
      threads.shutdownNow();
    }
  }

  /** The sum of the sources, of which this rank has one; its mean and a number are checked too. */
  private static float[] sum(byte[] id, int rank, int ranks, float[] source) {
    try (CudaDevice own = CudaDevice.open(rank, CudaPrecision.FLOAT32);
        CudaCommunicator group = own.communicator(id, rank, ranks, NEVER);
        CudaTensor x = own.allocate(source.length);
        CudaTensor y = own.allocate(3)) {
      own.upload(source, 0, x);
      group.allReduceSum(x);
      own.fill(y, rank);
      group.allReduceMean(y);
      assertEquals(0.5 * ranks * (ranks - 1), group.sum(rank));
      assertEquals((ranks - 1) / 2f, values(own, y)[2], 1e-6f);
      own.fill(y, rank + 5);
      group.broadcast(y, ranks - 1);
      assertEquals(ranks + 4, values(own, y)[0]);
      return values(own, x);
    }
  }

  @Test
  @Timeout(value = 1, unit = TimeUnit.MINUTES, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
  void aRankWhoseGroupDoesNotComeGivesUp() {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(3);
    byte[] id = CudaCommunicator.uniqueId();
    CudaException e =
        assertThrows(
            CudaException.class,
            () -> device.communicator(id, 0, 2, () -> System.nanoTime() > end));
    assertTrue(e.getMessage().contains("rank 0 of 2"), e.getMessage());
    assertTrue(e.getMessage().contains("given up"), e.getMessage());
    try (CudaTensor x = device.allocate(3)) {
      device.fill(x, 2);
      assertEquals(2, values(device, x)[0], "the device goes on");
    }
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    byte[] id = CudaCommunicator.uniqueId();
    assertFalse(Arrays.equals(id, CudaCommunicator.uniqueId()));
    assertNotEquals(0, id.length);
    assertThrows(IllegalArgumentException.class, () -> device.communicator(id, 1, 1, NEVER));
    assertThrows(
        IllegalArgumentException.class, () -> device.communicator(new byte[5], 0, 1, NEVER));
    try (CudaDevice other = CudaDevice.open(0, CudaPrecision.FLOAT32);
        CudaTensor elsewhere = other.allocate(5);
        CudaTensor integers = device.allocate(ElementType.INT32, 5);
        CudaTensor floats = device.allocate(5)) {
      CudaCommunicator alone = device.communicator(id, 0, 1, NEVER);
      assertThrows(IllegalArgumentException.class, () -> alone.allReduceSum(elsewhere));
      assertThrows(IllegalArgumentException.class, () -> alone.allReduceSum(integers));
      assertThrows(IllegalArgumentException.class, () -> alone.broadcast(floats, 1));
      alone.close();
      alone.close();
      assertThrows(IllegalStateException.class, () -> alone.allReduceSum(floats));
    }
  }
}
