package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.apache.spark.SparkEnv;
import org.apache.spark.scheduler.SparkListenerTaskStart;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.data.BundledModel;

/**
 * Two executor processes, one of them disturbed in the middle of a round: the adapter is byte for
 * byte that of an undisturbed run. The driver's death is ResumeTest's.
 */
@Tag("slow")
@EnabledOnOs(OS.LINUX)
class FaultsTest {
  /** A round is a stage; before the first one executors are looked at, and nothing reads data. */
  private static final Set<Integer> DISTURBED_STAGES = Set.of(2, 3, 4);

  private static final int EXECUTORS = 2;
  private static final String EXECUTOR = "\0--executor-id\0";
  private static final String CLUSTER = "local-cluster[2,1,1024]";

  /** More than there are by the disturbed round. */
  private static final int BROADCASTS = 100;

  @TempDir private Path folder;
  private final List<String> properties = new ArrayList<>();

  @BeforeEach
  void configure() {
    set("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    set("spark.executorEnv.SPARK_SCALA_VERSION", "2.13");
    set("spark.executorEnv.SPARK_TESTING", "1");
    set("spark.extraListeners", TaskWatch.class.getName());
    TaskWatch.begin(start -> {});
  }

  private void set(String property, Object value) {
    System.setProperty(property, value.toString());
    properties.add(property);
  }

  @AfterEach
  void clear() {
    properties.forEach(System::clearProperty);
  }

  private byte[] train(String name, String master, Object model) throws IOException {
    byte[] adapter =
        adapter(name, "--master", master, "--model", model, "--partitions", 4, "--steps", 5);
    assertEquals(5, Files.readAllLines(folder.resolve(name).resolve("metrics.jsonl")).size());
    return adapter;
  }

  private byte[] adapter(String name, Object... options) throws IOException {
    Path output = folder.resolve(name);
    Object[] more =
        SampleData.with(options, "--data", SampleData.tokenFiles(), "--threads-per-task", 1);
    Cli.succeed(SampleData.train(output, more));
    return Files.readAllBytes(output.resolve("adapter/adapter_model.safetensors"));
  }

  /**
   * Does something to the process of the first task of these rounds; on a busy machine a task may
   * have ended before one hears of its start.
   *
   * @param failures tasks that may have failed by then: after more of them it is left alone
   */
  private static void disturb(Set<Integer> stages, int failures, Consumer<ProcessHandle> what) {
    Set<Integer> left = new TreeSet<>(stages);
    TaskWatch.begin(
        (SparkListenerTaskStart start) -> {
          if (left.remove(start.stageId()) && TaskWatch.FAILED.get() <= failures) {
            what.accept(executor(start.taskInfo().executorId()));
          }
        });
  }

  private static ProcessHandle executor(String id) {
    return executors()
        .filter(process -> commandLine(process).contains(EXECUTOR + id + "\0"))
        .findFirst()
        .orElseThrow();
  }

  private static Stream<ProcessHandle> executors() {
    return ProcessHandle.current()
        .descendants()
        .filter(process -> commandLine(process).contains(EXECUTOR));
  }

  /** That of {@link ProcessHandle.Info} ends where the class path gets long. */
  private static String commandLine(ProcessHandle process) {
    try {
      return Files.readString(Path.of("/proc", String.valueOf(process.pid()), "cmdline"));
    } catch (IOException e) {
      // It has ended.
      return "";
    }
  }

  @Test
  void anExecutorIsKilled() throws IOException {
    disturb(DISTURBED_STAGES, 0, ProcessHandle::destroyForcibly);
    byte[] adapter = train("disturbed", CLUSTER, BundledModel.NAME);
    assertTrue(TaskWatch.FAILED.get() > 0, "no task was lost");
    assertArrayEquals(undisturbed(), adapter);
  }

  private byte[] undisturbed() throws IOException {
    TaskWatch.begin(start -> {});
    return train("undisturbed", "local[2]", BundledModel.NAME);
  }

  @Test
  void oneExecutorIsKilledAfterTheOther() throws IOException {
    List<Long> killed = new CopyOnWriteArrayList<>();
    disturb(
        Set.of(1, 3),
        Integer.MAX_VALUE,
        executor -> {
          killed.add(executor.pid());
          executor.destroyForcibly();
        });
    byte[] adapter = train("disturbed", CLUSTER, BundledModel.NAME);
    assertEquals(2, killed.size());
    assertTrue(TaskWatch.FAILED.get() > 0, "no task was lost");
    assertArrayEquals(undisturbed(), adapter);
  }

  /** The executors that had read it are killed, and the driver's blocks vanish. */
  @Test
  void theBroadcastIsLost() throws IOException {
    disturb(
        DISTURBED_STAGES,
        EXECUTORS,
        executor -> {
          executors().forEach(ProcessHandle::destroyForcibly);
          for (long id = 0; id < BROADCASTS; id++) {
            SparkEnv.get().blockManager().removeBroadcast(id, true);
          }
        });
    PrintStream before = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    byte[] adapter;
    try {
      adapter = train("disturbed", CLUSTER, BundledModel.NAME);
    } finally {
      System.setErr(before);
    }
    String told = said.toString(StandardCharsets.UTF_8);
    assertTrue(told.contains("A broadcast was lost (Failed to get broadcast_"), told);
    assertTrue(TaskWatch.FAILED.get() > EXECUTORS, "only the executors' tasks were lost");
    assertArrayEquals(undisturbed(), adapter);
  }

  @Test
  void aTaskThrowsOnce() throws IOException {
    Path mark = folder.resolve("mark");
    // Executors with a cache of their own read the model themselves.
    set(
        "spark.executor.extraJavaOptions",
        "-D%s=%s -Dsinklora.cache=%s"
            .formatted(FaultyFileSystem.MARK, mark, folder.resolve("executors")));
    set("sinklora.cache", folder.resolve("driver"));
    byte[] adapter = train("disturbed", CLUSTER, "faulty:" + BundledModel.folder());
    assertTrue(Files.exists(mark), "nothing failed");
    assertEquals(1, TaskWatch.FAILED.get());
    assertArrayEquals(train("undisturbed", "local[2]", "faulty:" + BundledModel.folder()), adapter);
  }

  /**
   * In a round of four steps: what its worker had done of them is done again by another process.
   */
  @Test
  void anExecutorIsKilledAmongLocalSteps() throws IOException {
    disturb(DISTURBED_STAGES, 0, ProcessHandle::destroyForcibly);
    byte[] adapter = trainLocally("disturbed", CLUSTER);
    assertTrue(TaskWatch.FAILED.get() > 0, "no task was lost");
    assertArrayEquals(trainLocally("undisturbed", "local[2]"), adapter);
  }

  private byte[] trainLocally(String name, String master) throws IOException {
    return adapter(name, "--master", master, "--sync-every", 4, "--workers", 2, "--steps", 12);
  }

  /** Executors have another working folder: there a relative path is none. */
  @Test
  void aModelThatOnlyTheDriverSees() throws IOException {
    Path model = Files.createTempDirectory(Path.of("target"), "model-");
    try (Stream<Path> files = Files.list(BundledModel.folder())) {
      for (Path file : files.toList()) {
        Files.copy(file, model.resolve(file.getFileName().toString()));
      }
    }
    Object[] command =
        SampleData.train(
            folder.resolve("run"),
            "--master",
            "local-cluster[1,1,1024]",
            "--data",
            SampleData.tokenFiles(),
            "--model",
            model);
    Cli cli = Cli.run(command);
    assertEquals(1, cli.code(), cli.err());
    String said = cli.err();
    assertTrue(said.contains("The model folder " + model + " is on this host, but not"), said);
    assertTrue(said.contains("hdfs:"), said);
    assertFalse(Files.exists(folder.resolve("run/metrics.jsonl")), "a step was begun");
  }

  @Test
  void executorsWithLessMemoryThanThePlan() throws IOException {
    Cli cli = Cli.run(MemoryReachTest.tooLong(folder, CLUSTER));
    assertEquals(1, cli.code(), cli.err());
    String said = cli.err();
    assertTrue(said.contains("An executor needs "), said);
    assertTrue(said.contains("executors run there and the driver"), said);
    assertTrue(said.contains("choose fewer executors a host, or a shorter --context"), said);
    assertFalse(Files.exists(folder.resolve("run")), "a step was begun");
  }
}
