package org.sinklora.spark;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.SparkSession;

/** Opens the Spark session of an application. */
final class SparkSessions {
  private static final String VECTOR_API = "--add-modules=jdk.incubator.vector";
  private static final String PLUGINS = "spark.plugins";

  /**
   * Takes the limit of four times the Java heap from a process: weights and activations lie outside
   * the heap, and {@link MemoryReach} knows what there is.
   */
  private static final String NO_ARRAY_LIMIT =
      "-Dorg.bytedeco.javacpp.maxbytes=0 -Dorg.bytedeco.javacpp.maxphysicalbytes=0";

  /** How Spark begins what it says of an application that has ended. */
  private static final String STOPPED = "Cannot call methods on a stopped SparkContext";

  private SparkSessions() {}

  /**
   * @param master where to run; null for what {@code spark-submit} says, else all local cores
   * @throws UserException if the master does not answer
   */
  static SparkSession open(String application, String master) {
    SparkConf conf = new SparkConf().setAppName("sinklora " + application);
    if (master != null) {
      conf.setMaster(master);
    }
    conf.setIfMissing("spark.master", "local[*]");
    if (conf.get("spark.master").startsWith("local")) {
      conf.setIfMissing("spark.driver.host", "127.0.0.1");
      conf.setIfMissing("spark.driver.bindAddress", "127.0.0.1");
      conf.setIfMissing("spark.ui.enabled", "false");
      conf.setIfMissing("spark.sql.shuffle.partitions", "8");
    }
    String executorOptions = conf.get("spark.executor.extraJavaOptions", "");
    if (!executorOptions.contains(VECTOR_API)) {
      executorOptions += " " + VECTOR_API;
    }
    if (!executorOptions.contains("org.bytedeco.javacpp.max")) {
      executorOptions += " " + NO_ARRAY_LIMIT;
    }
    conf.set("spark.executor.extraJavaOptions", executorOptions.trim());
    String plugins = conf.get(PLUGINS, "");
    if (!plugins.contains(MetricsPlugin.class.getName())) {
      conf.set(PLUGINS, (plugins.isBlank() ? "" : plugins + ",") + MetricsPlugin.class.getName());
    }
    // Long work has a progress bar of its own.
    conf.setIfMissing("spark.ui.showConsoleProgress", "false");
    // A row can be a document of millions of tokens, of which a reader takes a batch at once.
    conf.setIfMissing("spark.sql.parquet.columnarReaderBatchSize", "256");
    try {
      return SparkSession.builder().config(conf).getOrCreate();
    } catch (IllegalStateException e) {
      throw explained(e, conf.get("spark.master"));
    }
  }

  /** A failure to begin: Spark stops an application that its master does not answer. */
  static RuntimeException explained(IllegalStateException failure, String master) {
    return String.valueOf(failure.getMessage()).startsWith(STOPPED)
        ? new UserException(
            "The master %s did not answer, or did not take this application; check that it runs and that host and port are those of the URL on its page and in its log, or choose another --master (local[*] is this machine)"
                .formatted(master),
            failure)
        : failure;
  }

  static JavaSparkContext context(SparkSession spark) {
    return JavaSparkContext.fromSparkContext(spark.sparkContext());
  }

  /** Parquet at these very paths: brackets, braces and stars are part of their names. */
  static Dataset<Row> parquet(SparkSession spark, String... paths) {
    return spark.read().option("__globPaths__", false).parquet(paths);
  }

  static Storage storage(SparkSession spark) {
    return new HadoopStorage(spark.sparkContext().hadoopConfiguration());
  }

  /** The storage of a task, with the settings of its application. */
  static Storage taskStorage() {
    return new HadoopStorage(HadoopSettings.here());
  }
}
