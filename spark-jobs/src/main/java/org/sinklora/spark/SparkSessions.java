package org.sinklora.spark;

import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.deploy.SparkHadoopUtil;
import org.apache.spark.sql.SparkSession;

/** Opens the Spark session of an application. */
final class SparkSessions {
  private static final String VECTOR_API = "--add-modules=jdk.incubator.vector";
  private static final String PLUGINS = "spark.plugins";

  private SparkSessions() {}

  /**
   * @param master where to run; null for what {@code spark-submit} says, else all local cores
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
      conf.set("spark.executor.extraJavaOptions", (executorOptions + " " + VECTOR_API).trim());
    }
    String plugins = conf.get(PLUGINS, "");
    if (!plugins.contains(MetricsPlugin.class.getName())) {
      conf.set(PLUGINS, (plugins.isBlank() ? "" : plugins + ",") + MetricsPlugin.class.getName());
    }
    // Training and evaluation have a progress bar of their own; elsewhere Spark's tells the stages.
    boolean bar = application.equals("prepare") && System.console() != null;
    conf.setIfMissing("spark.ui.showConsoleProgress", String.valueOf(bar));
    return SparkSession.builder().config(conf).getOrCreate();
  }

  static JavaSparkContext context(SparkSession spark) {
    return JavaSparkContext.fromSparkContext(spark.sparkContext());
  }

  static Storage storage(SparkSession spark) {
    return new HadoopStorage(spark.sparkContext().hadoopConfiguration());
  }

  /** The storage of a task, with the settings of its application. */
  static Storage taskStorage() {
    return new HadoopStorage(SparkHadoopUtil.get().conf());
  }
}
