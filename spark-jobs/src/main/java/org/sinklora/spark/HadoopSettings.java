package org.sinklora.spark;

import org.apache.hadoop.conf.Configuration;
import org.apache.spark.SparkContext;
import org.apache.spark.SparkEnv;
import org.apache.spark.deploy.SparkHadoopUtil;

/** Hadoop's settings as an application of Spark has them, in its driver and in its tasks. */
final class HadoopSettings {
  private static SparkEnv executor;
  private static Configuration ofExecutor;

  private HadoopSettings() {}

  /**
   * Those of the application that runs in this process, else those of the process. An executor has
   * {@code spark.hadoop.*} as they were when its application started; what the driver changed in
   * {@link SparkContext#hadoopConfiguration} later is seen by tasks of a local master alone.
   *
   * @return to be read only
   */
  static Configuration here() {
    SparkEnv env = SparkEnv.get();
    if (env == null) {
      return SparkHadoopUtil.get().conf();
    }
    return env.executorId().equals(RegisteredExecutors.DRIVER)
        ? SparkContext.getOrCreate().hadoopConfiguration()
        : ofExecutor(env);
  }

  /** Made once: Hadoop reads its files for every new configuration. */
  private static synchronized Configuration ofExecutor(SparkEnv env) {
    if (env != executor) {
      // Spark's own configuration of an executor process knows its system properties alone.
      ofExecutor = SparkHadoopUtil.get().newConfiguration(env.conf());
      executor = env;
    }
    return ofExecutor;
  }
}
