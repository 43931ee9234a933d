package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeoutException;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.cuda.CudaPrecision;

/**
 * The estimator on the GPUs of executors, here of one in a process of its own with two that are not
 * there, whose tasks train on CPUs. What Spark is told stands in the session's settings alone.
 */
@Tag("slow")
class SinkLoraGpuTest {
  private static final double BOUND = 1e-4;

  @TempDir private static Path folder;
  private static SparkSession spark;
  private static Dataset<Row> texts;

  @BeforeAll
  static void openSession() throws IOException {
    Path script =
        Files.writeString(
            folder.resolve("discover.sh"),
            "#!/bin/sh\necho '{\"name\": \"gpu\", \"addresses\": [\"0\", \"1\"]}'\n");
    assertTrue(script.toFile().setExecutable(true));
    Map<String, Object> settings = new HashMap<>(SinkLoraClusterTest.CLUSTER);
    settings.put("spark.worker.resource.gpu.amount", "2");
    settings.put("spark.worker.resource.gpu.discoveryScript", script.toString());
    settings.put(GpuExecutors.EXECUTOR_AMOUNT, "2");
    settings.put("spark.executor.memory", "1g");
    // The kernels of this process: others round otherwise.
    settings.put("spark.executor.extraJavaOptions", "--add-modules=jdk.incubator.vector");
    settings.put("spark.extraListeners", JobWatch.class.getName());
    settings.put("spark.driver.host", "127.0.0.1");
    settings.put("spark.driver.bindAddress", "127.0.0.1");
    settings.put("spark.ui.enabled", "false");
    JobWatch.take();
    spark =
        SparkSession.builder()
            .appName("someone else's")
            .master("local-cluster[1,2,1024]")
            .config(settings)
            .getOrCreate();
    List<Row> rows = new ArrayList<>();
    for (String name : List.of("Storage", "Prepare", "Train")) {
      Path file = SampleData.SOURCES.resolve("org/sinklora/spark/" + name + ".java");
      rows.add(RowFactory.create(Files.readString(file).substring(1000, 2500)));
    }
    texts = spark.createDataFrame(rows, new StructType().add("text", DataTypes.StringType));
  }

  @AfterAll
  static void stop() {
    if (spark != null) {
      spark.stop();
    }
  }

  private static SinkLoraEstimator estimator() {
    return new SinkLoraEstimator()
        .setContext(64)
        .setSteps(3)
        .setBatchSize(2)
        .setLearningRate(3e-3)
        .setWarmupSteps(1)
        .setModulesToSave("norm")
        .setWorkFolder(folder.resolve("work").toString());
  }

  private static AdapterFiles trained(SinkLoraEstimator estimator, int failsAtStep)
      throws IOException {
    return new FrameTraining(
            estimator,
            texts,
            precision -> {
              assertEquals(CudaPrecision.FLOAT32, precision);
              return new ThreadRanks(failsAtStep);
            })
        .run();
  }

  private static List<Double> perplexities(AdapterFiles adapter) {
    return new SinkLoraModel("model", adapter)
        .transform(texts).sort("text").collectAsList().stream()
            .map(row -> row.<Double>getAs("perplexity"))
            .toList();
  }

  private static byte[] weights(AdapterFiles adapter, String name) throws IOException {
    Path target = Files.createDirectory(folder.resolve(name));
    adapter.unpack(target);
    return Files.readAllBytes(target.resolve("adapter_model.safetensors"));
  }

  @Test
  void theRanksOfOneStageTrainToTheAdapterOfTheCpus() throws IOException, TimeoutException {
    List<Double> ofCpus = perplexities(trained(estimator(), -1));

    // The second rank fails in the third step: the stage begins again, from the start.
    AdapterFiles two = trained(estimator().setDevice("cuda").setPrecision("float32"), 2);
    List<Double> ofTwo = perplexities(two);
    assertEquals(3, ofTwo.size());
    for (int i = 0; i < 3; i++) {
      assertEquals(ofCpus.get(i), ofTwo.get(i), BOUND * ofCpus.get(i), "text " + i);
    }

    // One rank does what one device does, to the byte: "auto" are the GPUs of these settings.
    AdapterFiles one =
        trained(
            estimator()
                .setDevice("auto")
                .setPrecision("float32")
                .setPartitions(1)
                .setSequencesPerPass(2),
            -1);
    byte[] ofOne = weights(one, "one");
    assertArrayEquals(byOneDevice(), ofOne);

    assertFalse(spark.sparkContext().isStopped());
    try (var left = Files.list(folder.resolve("work"))) {
      assertEquals(List.of(), left.toList());
    }
    List<String> jobs = jobs();
    assertTrue(jobs.contains("Training 3 steps on 2 devices"), jobs.toString());
    assertTrue(jobs.contains("Training 3 steps on 1 devices"), jobs.toString());
  }

  /** The same training by one device of this process, of one thread as those of the ranks. */
  private static byte[] byOneDevice() throws IOException {
    Storage storage = SparkSessions.storage(spark);
    SinkLoraEstimator estimator = estimator();
    ModelSource plain = ModelSource.of(estimator.getModel(), storage);
    TrainSettings settings = FrameTraining.settings(estimator, plain);
    String data = folder.resolve("one-data").toString();
    new FrameDataSet(texts, "text", plain, 0).write(0, data);
    TrainTarget target =
        new TrainTarget(
            DataMix.of(data), folder.resolve("one-run").toString(), false, false, 50, 1, 0, 0, 2);
    try (DevicePlace place = new DevicePlace(DeviceChoice.cpu("test"), 1, SparkPlace.of(spark))) {
      new TrainingRun(place, settings, settings.trained(plain), target).run();
    }
    return Files.readAllBytes(Path.of(target.adapter(), "adapter_model.safetensors"));
  }

  private static List<String> jobs() throws TimeoutException {
    spark.sparkContext().listenerBus().waitUntilEmpty();
    return JobWatch.take();
  }

  @Test
  void whatCannotWorkIsRefusedBeforeTextsArePrepared() throws IOException {
    refused(
        "syncEvery is 2, but the GPUs of Spark's executors add up their gradients in every step; leave it out, or take device cpu",
        estimator().setSyncEvery(2).setWorkers(2));
    refused(
        "communication is bfloat16, but GPUs exchange float32 gradients through NCCL",
        estimator().setCommunication("bfloat16"));
    refused("take device cuda, without number", estimator().setDevice("cuda:1"));
    refused(
        "2 GPUs for 1 sequences of a step; choose a batchSize of at least the GPUs, or fewer with partitions",
        estimator().setBatchSize(1));
    refused(
        "partitions is 3, but a step has only 2 sequences (batchSize)",
        estimator().setPartitions(3));
    assertFalse(Files.exists(folder.resolve("refused")));
  }

  private static void refused(String said, SinkLoraEstimator estimator) {
    if (!estimator.isSet(estimator.device())) {
      estimator.setDevice("cuda");
    }
    estimator.setWorkFolder(folder.resolve("refused").toString());
    String message = assertThrows(UserException.class, () -> estimator.fit(texts)).getMessage();
    assertTrue(message.contains(said), message);
  }
}
