package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.spark.deploy.SparkSubmit;
import org.apache.spark.deploy.master.Master;
import org.apache.spark.deploy.worker.Worker;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.VectorUnit;

/** The application jar through SparkSubmit on a standalone master with two workers. */
@Tag("slow")
@Tag("application")
class StandaloneClusterTest {
  private static final String HOST = "127.0.0.1";

  /**
   * Hosts of their own, where there are such: Spark does a slow task again on another host only.
   */
  private static final Map<String, String> HOSTS =
      Map.of("worker1", HOST, "worker2", OS.LINUX.isCurrentOs() ? "127.0.0.2" : HOST);

  /** What the master says of itself in its log. */
  private static final Pattern MASTER = Pattern.compile("Starting Spark master at (spark://\\S+)");

  private static final Pattern REGISTERED = Pattern.compile("Successfully registered with master");

  /** Vectors of 128 bits, narrower than those of any machine with wider ones. */
  private static final String NARROW = "-XX:MaxVectorSize=16";

  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;
  private final List<Process> processes = new ArrayList<>();
  private String spark;
  private String master;

  @BeforeEach
  void startMaster() throws IOException, InterruptedException {
    spark = ApplicationJar.providedClassPath();
    // What a Spark home must have; the classes come from the class path.
    Files.createDirectories(folder.resolve("spark/jars"));
    Process process =
        start("master", "", Master.class, "--host", HOST, "--port", 0, "--webui-port", 0);
    master = await("master", process, MASTER).group(1);
  }

  /**
   * @param options of Java, for the second worker and its executors
   */
  private void startWorkers(String options) throws IOException, InterruptedException {
    for (String name : List.of("worker1", "worker2")) {
      Process worker =
          start(
              name,
              name.equals("worker2") ? options : "",
              Worker.class,
              "--host",
              HOSTS.get(name),
              "--cores",
              1,
              "--memory",
              "2g",
              "--webui-port",
              0,
              "--work-dir",
              folder.resolve(name),
              master);
      await(name, worker, REGISTERED);
    }
  }

  @AfterEach
  void stopCluster() throws InterruptedException {
    List<ProcessHandle> executors =
        processes.stream().flatMap(process -> process.toHandle().descendants()).toList();
    processes.forEach(Process::destroy);
    for (Process process : processes) {
      if (!process.waitFor(1, TimeUnit.MINUTES)) {
        process.destroyForcibly();
      }
    }
    // Workers take theirs along; nothing is left where one could not.
    executors.forEach(ProcessHandle::destroyForcibly);
  }

  private Process start(String name, String options, Class<?> main, Object... arguments)
      throws IOException {
    Process process = launch(name, options, ChildJvm.command(spark, "512m", main, arguments));
    processes.add(process);
    return process;
  }

  private Process launch(String name, String options, List<String> command) throws IOException {
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(folder.resolve(name + ".log").toFile());
    builder.environment().put("SPARK_HOME", folder.resolve("spark").toString());
    builder.environment().put("SPARK_LOCAL_IP", HOST);
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    if (!options.isEmpty()) {
      builder.environment().put("JDK_JAVA_OPTIONS", options);
    }
    return builder.start();
  }

  /** Waits until a process says something. */
  private Matcher await(String name, Process process, Pattern what)
      throws InterruptedException, IOException {
    while (true) {
      Matcher told = what.matcher(log(name));
      if (told.find()) {
        return told;
      }
      assertTrue(process.isAlive(), name + " ended: " + log(name));
      Thread.sleep(200);
    }
  }

  private String log(String name) throws IOException {
    return Files.readString(folder.resolve(name + ".log"));
  }

  private void submit(String name, Class<?> main, Object... arguments)
      throws IOException, InterruptedException {
    await(name, submission(name, Map.of(), main, arguments));
  }

  private Process submission(
      String name, Map<String, Object> settings, Class<?> main, Object... arguments)
      throws IOException {
    Map<String, Object> conf = new LinkedHashMap<>(settings);
    conf.put("spark.executor.memory", "1g");
    conf.put("spark.executor.extraClassPath", spark);
    conf.put("spark.ui.enabled", false);
    List<Object> all = new ArrayList<>();
    all.addAll(List.of("--master", master, "--deploy-mode", "client"));
    conf.forEach((key, value) -> all.addAll(List.of("--conf", key + "=" + value)));
    all.addAll(List.of("--class", main.getName(), ApplicationJar.FILE));
    all.addAll(List.of(arguments));
    return launch(name, "", ChildJvm.command(spark, "1g", SparkSubmit.class, all.toArray()));
  }

  private void await(String name, Process process) throws IOException, InterruptedException {
    try {
      assertTrue(process.waitFor(10, TimeUnit.MINUTES), () -> name + " takes too long");
      assertEquals(0, process.exitValue(), log(name));
    } finally {
      process.destroyForcibly();
    }
  }

  @Test
  void theStepsRunOnACluster() throws IOException, InterruptedException {
    startWorkers(NARROW);
    Path data = folder.resolve("data");
    submit(
        "prepare",
        Prepare.class,
        "--input",
        SampleData.SOURCES.toAbsolutePath(),
        "--extensions",
        ".java",
        "--held-out",
        "0.3",
        "--output",
        data);
    assertEquals(
        JSON.readTree(SampleData.folder().resolve(DataSetInfo.FILE).toFile()),
        JSON.readTree(data.resolve(DataSetInfo.FILE).toFile()));

    Path cluster = folder.resolve("cluster");
    Object[] train = SampleData.train(cluster, "--data", data);
    submit("train", Train.class, List.of(train).subList(1, train.length).toArray());
    assertEquals(
        !VectorUnit.describe().startsWith("128-bit"),
        log("train").contains("Executors compute with different kernels: {"),
        log("train"));
    Path local = folder.resolve("local");
    Cli.succeed(SampleData.train(local));
    List<JsonNode> here = losses(local);
    List<JsonNode> there = losses(cluster);
    assertEquals(here.size(), there.size());
    for (int step = 0; step < here.size(); step++) {
      assertEquals(
          here.get(step).path("loss").asDouble(), there.get(step).path("loss").asDouble(), 1e-5);
    }

    Path json = folder.resolve("perplexity.json");
    submit(
        "evaluate",
        EvalPerplexity.class,
        "--data",
        data,
        "--adapter",
        cluster.resolve("adapter"),
        "--documents",
        4,
        "--json",
        json);
    assertEquals(4, JSON.readTree(json.toFile()).at("/perplexity/0/windows").asInt());
  }

  /** An executor that is stopped: Spark does its tasks again on the other host. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void aStragglerChangesNothing() throws IOException, InterruptedException {
    startWorkers("");
    Object[] cut = {
      "--data", SampleData.tokenFiles(), "--steps", 8, "--partitions", 4, "--threads-per-task", 1
    };
    Path events = Files.createDirectories(folder.resolve("events"));
    Path run = folder.resolve("run");
    Object[] train = SampleData.train(run, cut);
    Process driver =
        submission(
            "train",
            Map.of(
                "spark.speculation", true,
                "spark.speculation.interval", "100ms",
                "spark.speculation.quantile", 0.5,
                "spark.eventLog.enabled", true,
                "spark.eventLog.compress", false,
                "spark.eventLog.rolling.enabled", false,
                "spark.eventLog.dir", events.toUri()),
            Train.class,
            List.of(train).subList(1, train.length).toArray());
    Path metrics = run.resolve("metrics.jsonl");
    while (!Files.exists(metrics) || Files.readAllLines(metrics).size() < 2) {
      assertTrue(driver.isAlive(), () -> "the driver ended early, see " + folder);
      Thread.sleep(20);
    }
    ProcessHandle executor = processes.get(2).descendants().findFirst().orElseThrow();
    signal("STOP", executor);
    try {
      while (Files.readAllLines(metrics).size() < 5) {
        assertTrue(driver.isAlive(), () -> "the driver ended early, see " + folder);
        Thread.sleep(20);
      }
    } finally {
      signal("CONT", executor);
    }
    await("train", driver);
    try (Stream<Path> logs = Files.list(events)) {
      String told = Files.readString(logs.findFirst().orElseThrow());
      assertTrue(told.contains("\"Speculative\":true"), "no task was done twice");
    }
    Path alone = folder.resolve("alone");
    Cli.succeed(SampleData.with(SampleData.train(alone, cut), "--master", "local[2]"));
    String weights = "adapter/adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(alone.resolve(weights)), Files.readAllBytes(run.resolve(weights)));
  }

  private static void signal(String name, ProcessHandle process)
      throws IOException, InterruptedException {
    new ProcessBuilder("kill", "-" + name, String.valueOf(process.pid())).start().waitFor();
  }

  private static List<JsonNode> losses(Path run) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
      lines.add(JSON.readTree(line));
    }
    return lines;
  }
}
