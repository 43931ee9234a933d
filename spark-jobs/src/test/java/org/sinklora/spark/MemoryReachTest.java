package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.apache.spark.SparkConf;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.TokenFileWriter;

/** Executors with less memory than the plan are refused before the first step. */
class MemoryReachTest {
  private static final long GIB = 1L << 30;
  private static final TrainingMemory NEEDED =
      new TrainingMemory(10 * GIB, 2 * GIB, GIB / 2, GIB / 8, false);

  @TempDir private Path folder;

  private static ExecutorFacts executor(String id, String host, double machineGib) {
    return new ExecutorFacts(id, host, (long) (machineGib * GIB), 4 * GIB, 0, "amd64");
  }

  private static MemoryReach reach(int tasksAtATime) {
    return new MemoryReach(NEEDED, tasksAtATime, Long.MAX_VALUE);
  }

  private static String refused(MemoryReach reach, ExecutorFacts driver, ExecutorFacts... all) {
    return assertThrows(UserException.class, () -> reach.checkExecutors(List.of(all), driver))
        .getMessage();
  }

  @Test
  void executorsShareTheirMachine() {
    ExecutorFacts driver = executor("driver", "d", 16);
    // 14 GiB outside the heap and 1.8 of it.
    reach(2).checkExecutors(List.of(executor("0", "a", 16), executor("1", "b", 16)), driver);
    String told = refused(reach(2), driver, executor("0", "a", 29), executor("1", "a", 29));
    assertTrue(
        told.startsWith(
            "An executor needs 15.8 GiB (base weights 10.0 GiB, 2 tasks at a time 2.0 GiB each), but a has 29.0 GiB, and 2 executors run there; choose fewer executors a host"),
        told);
    told = refused(reach(3), driver, executor("0", "a", 30), executor("1", "b", 15));
    assertTrue(told.contains("but b has 15.0 GiB, and 1 executor runs there"), told);

    // The driver has base weights of its own.
    reach(1).checkExecutors(List.of(executor("0", "d", 25)), driver);
    told = refused(reach(2), driver, executor("0", "d", 25));
    assertTrue(told.contains("and 1 executor runs there and the driver, with 11.4 GiB"), told);
  }

  @Test
  void containersAndHeapsAreWatched() {
    ExecutorFacts driver = executor("driver", "d", 16);
    MemoryReach container = new MemoryReach(NEEDED, 1, 11 * GIB);
    String told = refused(container, driver, executor("0", "a", 64));
    assertTrue(told.contains("but may take 11.0 GiB before it is ended"), told);
    assertTrue(told.contains("set spark.executor.memoryOverhead to 12289m or more"), told);
    new MemoryReach(NEEDED, 1, 12 * GIB).checkExecutors(List.of(executor("0", "a", 64)), driver);
    told = refused(reach(20), driver, executor("0", "a", 640));
    assertTrue(told.contains("set spark.executor.memory to 15689m or more"), told);
  }

  @Test
  void whatSparkAllowsOutsideTheHeap() {
    SparkConf conf = new SparkConf(false).set("spark.executor.memory", "8g");
    assertEquals(Long.MAX_VALUE, MemoryReach.overhead(conf.clone().setMaster("spark://a:1")));
    SparkConf yarn = conf.clone().setMaster("yarn");
    assertEquals((long) (0.1 * 8 * GIB), MemoryReach.overhead(yarn));
    assertEquals(
        (long) (0.1 * 8 * GIB),
        MemoryReach.overhead(yarn.clone().set("spark.executor.memory", "8192")));
    assertEquals(384L << 20, MemoryReach.overhead(yarn.clone().remove("spark.executor.memory")));
    assertEquals(
        12 * GIB, MemoryReach.overhead(yarn.clone().set("spark.executor.memoryOverhead", "12g")));
    assertEquals(
        4 * GIB,
        MemoryReach.overhead(
            conf.clone()
                .setMaster("k8s://https://a")
                .set("spark.executor.memoryOverheadFactor", "0.5")));
  }

  @Test
  void oneProcessHasLimitsOfItsOwn() {
    reach(1).checkProcess(executor("driver", "d", 14));
    assertTrue(
        assertThrows(UserException.class, () -> reach(1).checkProcess(executor("driver", "d", 13)))
            .getMessage()
            .contains("but this machine has 13.0 GiB"));
    ExecutorFacts limited = new ExecutorFacts("driver", "d", 64 * GIB, 2 * GIB, 8 * GIB, "amd64");
    assertTrue(
        assertThrows(UserException.class, () -> reach(1).checkProcess(limited))
            .getMessage()
            .contains("may take 8.0 GiB, four times its Java heap; give Java more with -Xmx"));
  }

  @Test
  void theDriverHasAHeapAsWell() {
    // 200 MiB, and 128 MiB each of adapter, broadcast (twice), sum and what is added (twice).
    ExecutorFacts least = new ExecutorFacts("driver", "d", 64 * GIB, 968L << 20, 0, "amd64");
    ExecutorFacts less = new ExecutorFacts("driver", "d", 64 * GIB, 967L << 20, 0, "amd64");
    reach(2).checkExecutors(List.of(executor("0", "a", 64)), least);
    String told = refused(reach(2), less, executor("0", "a", 64));
    assertTrue(told.contains("take 968 MiB of the driver's Java heap, but it has 967 MiB"), told);
    assertTrue(told.contains("spark.driver.memory 969m or more"), told);

    // In one process two tasks have 768 MiB each, and then there is room for the sum.
    ExecutorFacts process = new ExecutorFacts("driver", "d", 64 * GIB, 2120L << 20, 0, "amd64");
    reach(2).checkProcess(process);
    told = assertThrows(UserException.class, () -> reach(3).checkProcess(process)).getMessage();
    assertTrue(
        told.contains(
            "(128 MiB in each copy, 3 tasks at a time) take 2.8 GiB of this process's Java heap, but it has 2.1 GiB; give Java more with -Xmx2889m"),
        told);

    // In local rounds the averages of AdamW travel, too, and the driver has an outer momentum.
    TrainingMemory local = new TrainingMemory(GIB, GIB, GIB, GIB / 8, true);
    assertEquals((200 + 20 * 128L) << 20, local.driverHeap());
    assertEquals((200 + 3 * 128 + 2 * 16 * 128L) << 20, local.heap(2));
  }

  /** A training on a sequence that needs more than any machine that this runs on has. */
  static Object[] tooLong(Path folder, Object master) throws IOException {
    long machine =
        ManagementFactory.getPlatformMXBean(com.sun.management.OperatingSystemMXBean.class)
            .getTotalMemorySize();
    // A hidden size of 256, six layers: far more than 16 KiB a token.
    int tokens = Math.toIntExact(machine / (16 << 10));
    int[] ids = new int[tokens + 2];
    Arrays.fill(ids, 7);
    ids[0] = 1;
    ids[tokens + 1] = 2;
    Path data = folder.resolve("long.bin");
    try (TokenFileWriter writer = TokenFileWriter.create(data, 2048)) {
      writer.write(ids);
      writer.commit();
    }
    return SampleData.train(
        folder.resolve("run"),
        "--master",
        master,
        "--data",
        data,
        "--context",
        tokens,
        "--batch-size",
        1);
  }

  @Test
  void aRunThatDoesNotFitIsNotBegun() throws IOException {
    Cli cli = Cli.run(tooLong(folder, "local[2]"));
    assertEquals(1, cli.code(), cli.err());
    assertTrue(cli.err().contains("This process needs "), cli.err());
    assertTrue(cli.err().contains("choose a shorter --context"), cli.err());
    assertFalse(Files.exists(folder.resolve("run")), "a step was begun");
  }

  @Test
  void kernelsThatDifferAreNamed() {
    ExecutorFacts wide = new ExecutorFacts("0", "a", GIB, GIB, 0, "amd64, 512-bit vectors");
    ExecutorFacts narrow = new ExecutorFacts("1", "b", GIB, GIB, 0, "amd64, 256-bit vectors");
    assertTrue(ExecutorKernels.warning(List.of(wide, wide)).isEmpty());
    String told = ExecutorKernels.warning(List.of(wide, narrow)).orElseThrow();
    assertTrue(told.contains("{amd64, 256-bit vectors=[b], amd64, 512-bit vectors=[a]}"), told);
  }
}
