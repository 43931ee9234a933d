package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;
import org.apache.logging.log4j.Level;
import org.apache.logging.log4j.core.config.Configurator;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.ml.param.ParamMap;
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

/** The estimator and its model where executors are other processes. */
@Tag("slow")
class SinkLoraClusterTest {
  /** Settings with which executors of local-cluster find our classes. */
  static final Map<String, String> CLUSTER =
      Map.of(
          "spark.executor.extraClassPath",
          System.getProperty("java.class.path"),
          // Without these two a worker looks for a Spark distribution.
          "spark.executorEnv.SPARK_SCALA_VERSION",
          "2.13",
          "spark.executorEnv.SPARK_TESTING",
          "1");

  private static final String ENDPOINT = "fs.s3a.endpoint";

  @TempDir private Path folder;

  @BeforeAll
  static void set() {
    CLUSTER.forEach(System::setProperty);
    System.setProperty("spark.hadoop." + ENDPOINT, "http://store");
  }

  @AfterAll
  static void clear() {
    CLUSTER.keySet().forEach(System::clearProperty);
    System.clearProperty("spark.hadoop." + ENDPOINT);
  }

  /**
   * What a place makes of the texts.
   *
   * @param adapter the trained weights
   * @param rows perplexity and continuation of each
   * @param evaluated perplexity of a window, with the adapter of a folder
   */
  private record Outcome(byte[] adapter, List<Row> rows, double evaluated) {}

  @Test
  void executorsOfTheirOwnGiveTheSame() throws IOException {
    Outcome cluster = run("local-cluster[3,1,1024]");
    Outcome local = run("local[2]");
    assertArrayEquals(local.adapter(), cluster.adapter());
    assertEquals(3, cluster.rows().size());
    assertEquals(local.rows(), cluster.rows());
    assertEquals(local.evaluated(), cluster.evaluated(), 1e-5 * local.evaluated());
  }

  @Test
  void workAndModelLieOnHdfs() throws IOException {
    Configurator.setLevel("org.apache.hadoop", Level.OFF);
    Configuration configuration = new Configuration();
    configuration.set(MiniDFSCluster.HDFS_MINIDFS_BASEDIR, folder.resolve("dfs").toString());
    try (MiniDFSCluster hdfs = new MiniDFSCluster.Builder(configuration).numDataNodes(1).build();
        SparkSession spark = SparkSessions.open("test", "local[2]")) {
      hdfs.waitActive();
      String root = hdfs.getURI() + "/ml";
      Dataset<Row> texts = texts(spark);
      SinkLoraModel model =
          new SinkLoraEstimator()
              .setContext(64)
              .setSteps(1)
              .setBatchSize(2)
              .setWorkFolder(root + "/work")
              .fit(texts);
      model.save(root + "/model");
      assertThrows(IOException.class, () -> model.save(root + "/model"));
      model.write().overwrite().save(root + "/model");
      assertEquals(
          model.transform(texts).sort("text").collectAsList(),
          SinkLoraModel.load(root + "/model").transform(texts).sort("text").collectAsList());
      Storage storage = SparkSessions.storage(spark);
      assertTrue(storage.exists(root + "/model/adapter/adapter_config.json"));
      assertEquals(0, storage.list(root + "/work").size());
    } finally {
      Configurator.setLevel("org.apache.hadoop", Level.WARN);
    }
  }

  private Outcome run(String master) throws IOException {
    try (SparkSession spark = SparkSessions.open("test", master)) {
      executorsAreKnown(spark, master.startsWith("local[") ? 1 : 3);
      Dataset<Row> texts = texts(spark);
      SinkLoraEstimator lora =
          new SinkLoraEstimator()
              .setContext(64)
              .setSteps(2)
              .setBatchSize(2)
              .setLearningRate(3e-3)
              .setModulesToSave("norm");
      if (!master.startsWith("local[")) {
        String message = assertThrows(RuntimeException.class, () -> lora.fit(texts)).getMessage();
        assertTrue(message.contains("set workFolder to a folder that every host sees"), message);
        SinkLoraEstimator gpus =
            lora.copy(ParamMap.empty())
                .setDevice("cuda")
                .setWorkFolder(folder.resolve("refused").toString());
        String none = assertThrows(RuntimeException.class, () -> gpus.fit(texts)).getMessage();
        assertTrue(none.contains(GpuExecutors.EXECUTOR_AMOUNT + " is not set"), none);
      }
      SinkLoraModel model = lora.setWorkFolder(folder.resolve("work").toString()).fit(texts);
      Path saved = folder.resolve(master.replaceAll("\\W", ""));
      model.save(saved.toString());
      Dataset<Row> perplexity = model.transform(texts);
      List<Row> rows =
          SinkLoraModel.load(saved.toString())
              .setOutput(SinkLoraOutputParams.GENERATION)
              .setMaxNewTokens(8)
              .transform(perplexity)
              .sort("text")
              .collectAsList();
      return new Outcome(
          Files.readAllBytes(saved.resolve("adapter/adapter_model.safetensors")),
          rows,
          evaluate(spark, Path.of("").toAbsolutePath().relativize(saved.resolve("adapter"))));
    }
  }

  /** At once, though they take seconds to come; and they have the application's Hadoop settings. */
  private static void executorsAreKnown(SparkSession spark, int executors) {
    JavaSparkContext context = SparkSessions.context(spark);
    assertEquals(Math.max(2, executors), TaskThreads.plan(context, 4, 0, 0).tasks());
    assertEquals(executors, ExecutorFacts.ofAll(context).size());
    assertEquals(
        List.of("http://store"),
        context
            .parallelize(List.of(ENDPOINT), 1)
            .map(name -> HadoopSettings.here().get(name))
            .collect());
  }

  /**
   * @param adapter path from the working folder, which is another one in executors
   */
  private static double evaluate(SparkSession spark, Path adapter) throws IOException {
    SparkPlace place = SparkPlace.of(spark);
    ModelSource source = AdapterFolder.model(adapter.toString(), null, place.storage());
    int[] tokens = IntStream.range(3, 67).toArray();
    return place
        .windows(source, adapter.toString(), Integer.MAX_VALUE)
        .run(tokens, Map.of(tokens.length, new int[] {0}))
        .get(tokens.length)
        .value();
  }

  private static Dataset<Row> texts(SparkSession spark) throws IOException {
    List<Row> rows = new ArrayList<>();
    for (String name : List.of("Storage", "Prepare", "Train")) {
      Path file = SampleData.SOURCES.resolve("org/sinklora/spark/" + name + ".java");
      rows.add(RowFactory.create(Files.readString(file).substring(1000, 2500)));
    }
    return spark
        .createDataFrame(rows, new StructType().add("text", DataTypes.StringType))
        .repartition(2);
  }
}
