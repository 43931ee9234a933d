package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.Stream;
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
  /** A round is a stage, and there are no others: the data set is token files. */
  private static final int DISTURBED_STAGE = 2;

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
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.train(
            output,
            "--master",
            master,
            "--data",
            SampleData.tokenFiles(),
            "--model",
            model,
            "--partitions",
            4,
            "--threads-per-task",
            1,
            "--steps",
            5));
    assertEquals(5, Files.readAllLines(output.resolve("metrics.jsonl")).size());
    return Files.readAllBytes(output.resolve("adapter/adapter_model.safetensors"));
  }

  /** Does something once to the process of the first task of a round that is under way. */
  private static void once(Consumer<ProcessHandle> disturb) {
    AtomicBoolean done = new AtomicBoolean();
    TaskWatch.begin(
        (SparkListenerTaskStart start) -> {
          if (start.stageId() == DISTURBED_STAGE && !done.getAndSet(true)) {
            disturb.accept(executor(start.taskInfo().executorId()));
          }
        });
  }

  private static ProcessHandle executor(String id) {
    return ProcessHandle.current()
        .descendants()
        .filter(process -> commandLine(process).contains("\0--executor-id\0" + id + "\0"))
        .findFirst()
        .orElseThrow();
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
    once(ProcessHandle::destroyForcibly);
    byte[] adapter = train("disturbed", "local-cluster[2,1,1024]", BundledModel.NAME);
    assertTrue(TaskWatch.FAILED.get() > 0, "no task was lost");
    assertArrayEquals(train("undisturbed", "local[2]", BundledModel.NAME), adapter);
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
    byte[] adapter =
        train("disturbed", "local-cluster[2,1,1024]", "faulty:" + BundledModel.folder());
    assertTrue(Files.exists(mark), "nothing failed");
    assertEquals(1, TaskWatch.FAILED.get());
    assertArrayEquals(train("undisturbed", "local[2]", "faulty:" + BundledModel.folder()), adapter);
  }

  /**
   * In a round of four steps: what its worker had done of them is done again by another process.
   */
  @Test
  void anExecutorIsKilledAmongLocalSteps() throws IOException {
    once(ProcessHandle::destroyForcibly);
    byte[] adapter = trainLocally("disturbed", "local-cluster[2,1,1024]");
    assertTrue(TaskWatch.FAILED.get() > 0, "no task was lost");
    assertArrayEquals(trainLocally("undisturbed", "local[2]"), adapter);
  }

  private byte[] trainLocally(String name, String master) throws IOException {
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.train(
            output,
            "--master",
            master,
            "--data",
            SampleData.tokenFiles(),
            "--sync-every",
            4,
            "--workers",
            2,
            "--threads-per-task",
            1,
            "--steps",
            12));
    return Files.readAllBytes(output.resolve("adapter/adapter_model.safetensors"));
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
}
