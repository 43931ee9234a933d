package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;
import org.apache.spark.TaskContext;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.Device;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.GradientExchange;

/**
 * Spark hands out the GPUs that the discovery script finds, here two that are not there: an
 * executor in a process of its own with two of them, whose tasks train on CPUs.
 */
@Tag("slow")
class GpuExecutorsTest {
  private static final JsonMapper JSON = new JsonMapper();

  private static final String METRIC = "org.sinklora.spark.MetricsPlugin.training.step";

  @TempDir private Path folder;

  /** Checks in an executor that each of two ranks got a GPU of its own. */
  record NumberedRanks(ThreadRanks ranks) implements RankDevices {
    private static final long serialVersionUID = 1;
    private static final ThreadLocal<Integer> ORDINAL = new ThreadLocal<>();

    @Override
    public Device open(TaskContext task) {
      ORDINAL.set(GpuRanks.ordinal(task));
      return ranks.open(task);
    }

    @Override
    public String kind(Device device) {
      return ranks.kind(device);
    }

    @Override
    public String newGroup() {
      return ranks.newGroup();
    }

    @Override
    public GradientExchange join(
        String group, Device device, int rank, int size, BooleanSupplier givenUp) {
      GradientExchange exchange = ranks.join(group, device, rank, size, givenUp);
      double numbers = exchange.sum(Math.pow(10, ORDINAL.get()));
      if (numbers != 1010) {
        throw new IllegalStateException("not GPUs 1 and 3, but " + numbers);
      }
      return exchange;
    }
  }

  /** The application: run with Spark's settings as system properties. */
  public static void main(String[] arguments) throws IOException {
    Path output = Path.of(arguments[0]);
    TrainSettings settings = JSON.readValue(Path.of(arguments[1]).toFile(), TrainSettings.class);
    ModelSource model =
        ModelSource.of(BundledModel.NAME, Storage.here())
            .extended(settings.context(), settings.ropeScaling());
    TrainTarget target =
        new TrainTarget(DataMix.of(arguments[2]), output.toString(), false, false, 2, 2, 0, 0, 1);
    try (SparkSession spark = SparkSessions.open("test", "local-cluster[1,2,1024]")) {
      int gpus = GpuExecutors.count(SparkSessions.context(spark), 0);
      JsonNode result =
          new BarrierTraining(
                  spark, new NumberedRanks(new ThreadRanks(2)), gpus, settings, model, target)
              .run();
      int gpusElsewhere =
          SparkSessions.context(spark)
              .parallelize(List.of(0), 1)
              .map(item -> TaskContext.get().resourcesJMap().size())
              .first();
      ((ObjectNode) result).put("gpus_elsewhere", gpusElsewhere);
      JSON.writeValue(output.resolve("result.json").toFile(), result);
    }
  }

  /**
   * @param everywhere whether every task of the application gets a GPU, and not those of the
   *     training alone
   */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void eachTaskTrainsOnTheGpuThatSparkGaveIt(boolean everywhere)
      throws IOException, InterruptedException {
    Path plain = folder.resolve("plain");
    Cli.succeed(SampleData.train(plain, "--master", "none"));
    Path settings = folder.resolve("settings.json");
    JSON.writeValue(
        settings.toFile(),
        JSON.readTree(plain.resolve("adapter/sinklora_config.json").toFile()).path("training"));

    Path output = folder.resolve("run");
    Path log = folder.resolve("log");
    List<String> command =
        new ArrayList<>(
            ChildJvm.command(
                "1g", GpuExecutorsTest.class, output, settings, SampleData.tokenFiles()));
    sparkSettings(everywhere)
        .forEach((name, value) -> command.add(1, "-D%s=%s".formatted(name, value)));
    ProcessBuilder builder =
        new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(log.toFile());
    Path tools = Files.createDirectories(folder.resolve("tools"));
    Path smi = Files.writeString(tools.resolve("nvidia-smi"), "#!/bin/sh\nprintf '1\\n3\\n'\n");
    assertTrue(smi.toFile().setExecutable(true));
    builder.environment().merge("PATH", tools.toString(), (path, own) -> own + ":" + path);
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put("SPARK_TESTING", "1");
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder
        .environment()
        .put(
            "SPARK_HOME",
            Files.createDirectories(folder.resolve("spark/jars")).getParent().toString());
    Process process = builder.start();
    try {
      assertTrue(process.waitFor(10, TimeUnit.MINUTES), () -> read(log));
      assertEquals(0, process.exitValue(), () -> read(log));
    } finally {
      process.destroyForcibly();
    }
    JsonNode result = JSON.readTree(output.resolve("result.json").toFile());
    assertEquals(2, result.path("ranks").asInt());
    assertEquals(everywhere ? 1 : 0, result.path("gpus_elsewhere").asInt());
    assertEquals(2, result.path("resumed_at").asInt(), "a rank failed once");
    List<String> here = Files.readAllLines(plain.resolve("metrics.jsonl"));
    List<String> there = Files.readAllLines(output.resolve("metrics.jsonl"));
    assertEquals(here.size(), there.size());
    for (int step = 0; step < here.size(); step++) {
      assertEquals(
          JSON.readTree(here.get(step)).path("loss").asDouble(),
          JSON.readTree(there.get(step)).path("loss").asDouble(),
          1e-5,
          "step " + (step + 1));
    }
    assertTrue(lastStepInSinkOfTheExecutor() >= 1);
  }

  private double lastStepInSinkOfTheExecutor() throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve("csv"))) {
      Path steps =
          files
              .filter(file -> file.toString().endsWith(".0.plugin." + METRIC + ".csv"))
              .findFirst()
              .orElseThrow(() -> new AssertionError("the executor told nothing of its steps"));
      List<String> lines = Files.readAllLines(steps);
      return Double.parseDouble(lines.get(lines.size() - 1).split(",")[1]);
    }
  }

  private Map<String, String> sparkSettings(boolean everywhere) throws IOException {
    String script = Path.of("../conf/discover-gpus.sh").toAbsolutePath().normalize().toString();
    Map<String, String> settings = new TreeMap<>();
    settings.put("spark.worker.resource.gpu.amount", "2");
    settings.put("spark.worker.resource.gpu.discoveryScript", script);
    settings.put(GpuExecutors.EXECUTOR_AMOUNT, "2");
    if (everywhere) {
      settings.put(GpuExecutors.TASK_AMOUNT, "1");
    }
    String sink = "spark.metrics.conf.executor.sink.csv.";
    settings.put(sink + "class", "org.apache.spark.metrics.sink.CsvSink");
    settings.put(sink + "directory", Files.createDirectory(folder.resolve("csv")).toString());
    settings.put(sink + "period", "1");
    settings.put("spark.executor.memory", "1g");
    settings.put("spark.executor.extraClassPath", System.getProperty("java.class.path"));
    settings.put("spark.executorEnv.SPARK_SCALA_VERSION", "2.13");
    settings.put("spark.executorEnv.SPARK_TESTING", "1");
    settings.put("spark.driver.host", "127.0.0.1");
    settings.put("spark.driver.bindAddress", "127.0.0.1");
    settings.put("spark.ui.enabled", "false");
    return settings;
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }
}
