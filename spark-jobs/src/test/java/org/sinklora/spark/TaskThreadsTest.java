package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;
import org.apache.spark.SparkConf;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;

/** How work is cut for the executors that there are, and which are waited for. */
class TaskThreadsTest {

  private static RegisteredExecutors executors(int count, int cores, int coresOfTask) {
    Map<String, Integer> coresOf = new TreeMap<>();
    for (int id = 0; id < count; id++) {
      coresOf.put(String.valueOf(id), cores);
    }
    return new RegisteredExecutors(coresOf, coresOfTask, count * cores);
  }

  @Test
  void theTasksThatRunAtATimeShareTheCores() {
    assertEquals(new TaskThreads(6, 1, 6), TaskThreads.plan(executors(3, 2, 1), 8, 0, 0));
    assertEquals(new TaskThreads(3, 2, 3), TaskThreads.plan(executors(3, 2, 1), 3, 0, 0));
    assertEquals(new TaskThreads(1, 2, 1), TaskThreads.plan(executors(3, 2, 1), 3, 1, 0));
    assertEquals(new TaskThreads(2, 7, 2), TaskThreads.plan(executors(3, 2, 1), 3, 2, 7));
    // Two of the eight run at a time.
    assertEquals(new TaskThreads(8, 4, 2), TaskThreads.plan(executors(1, 8, 4), 8, 0, 0));
    assertEquals(new TaskThreads(1, 8, 1), TaskThreads.plan(executors(1, 8, 4), 8, 1, 0));
    // An executor of three cores has room for one task of two.
    assertEquals(new TaskThreads(6, 3, 2), TaskThreads.plan(executors(2, 3, 2), 8, 0, 0));
  }

  @Test
  void aSettingOfSparkCutsInOtherTasks() throws IOException {
    System.setProperty("spark.default.parallelism", "3");
    System.setProperty("spark.task.cpus", "2");
    try (SparkSession spark = SparkSessions.open("test", "local[4]")) {
      assertEquals(
          new TaskThreads(3, 2, 2), TaskThreads.plan(SparkSessions.context(spark), 8, 0, 0));
    } finally {
      System.clearProperty("spark.default.parallelism");
      System.clearProperty("spark.task.cpus");
    }
  }

  private static AskedExecutors asked(String master, String... settings) {
    SparkConf conf = new SparkConf(false).setMaster(master);
    for (int i = 0; i < settings.length; i += 2) {
      conf.set(settings[i], settings[i + 1]);
    }
    return AskedExecutors.of(conf);
  }

  @Test
  void executorsThatWereAskedFor() {
    String cores = "spark.executor.cores";
    assertEquals(3, asked("local-cluster[3,4,1024]").executors());
    assertEquals(6, asked("local-cluster[3, 4, 1024]", cores, "2").executors());
    assertEquals(
        2, asked("local-cluster[3,4,1024]", cores, "2", "spark.cores.max", "5").executors());
    assertEquals(4, asked("spark://a:7077", cores, "8", "spark.cores.max", "32").executors());
    AskedExecutors byCores = asked("spark://a:7077", "spark.cores.max", "32");
    assertEquals(32, byCores.cores());
    assertFalse(byCores.areMetBy(executors(3, 8, 1)));
    assertTrue(byCores.areMetBy(executors(4, 8, 1)));
    AskedExecutors whatThereIs = asked("spark://a:7077");
    assertEquals(AskedExecutors.NOBODY_SAYS, whatThereIs.executors());
    assertEquals(Duration.ofSeconds(2), whatThereIs.patience());
    assertEquals(4, asked("yarn", "spark.executor.instances", "4").executors());
    assertEquals(2, asked("k8s://https://a").executors());
  }

  @Test
  void executorsThatComeAndGo() {
    String dynamic = "spark.dynamicAllocation.";
    assertEquals(0, asked("yarn", dynamic + "enabled", "true").executors());
    assertEquals(
        3, asked("yarn", dynamic + "enabled", "true", dynamic + "minExecutors", "3").executors());
    assertEquals(
        5,
        asked(
                "spark://a:7077",
                dynamic + "enabled",
                "true",
                dynamic + "minExecutors",
                "3",
                dynamic + "initialExecutors",
                "5")
            .executors());
  }
}
