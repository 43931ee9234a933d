package org.sinklora.spark;

import com.codahale.metrics.MetricRegistry;
import java.util.Map;
import org.apache.spark.SparkContext;
import org.apache.spark.api.plugin.DriverPlugin;
import org.apache.spark.api.plugin.ExecutorPlugin;
import org.apache.spark.api.plugin.PluginContext;
import org.apache.spark.api.plugin.SparkPlugin;

/**
 * Brings loss, rates, memory and perplexity into Spark's metrics, and so to every sink that {@code
 * metrics.properties} names. The commands add it to {@code spark.plugins}; an application with a
 * session of its own does so itself, before the session is made.
 *
 * <p>The names begin with {@code APPLICATION.driver.plugin.org.sinklora.spark.MetricsPlugin}. Where
 * GPUs of executors train, the executor of the first rank has them.
 */
public final class MetricsPlugin implements SparkPlugin {

  /** Made by Spark. */
  public MetricsPlugin() {}

  @Override
  public DriverPlugin driverPlugin() {
    return new DriverPlugin() {
      private MetricRegistry registry;

      @Override
      public Map<String, String> init(SparkContext spark, PluginContext context) {
        return Map.of();
      }

      @Override
      public void registerMetrics(String application, PluginContext context) {
        registry = context.metricRegistry();
        RunMetrics.connect(registry);
      }

      @Override
      public void shutdown() {
        RunMetrics.disconnect(registry);
      }
    };
  }

  @Override
  public ExecutorPlugin executorPlugin() {
    return new ExecutorPlugin() {
      @Override
      public void init(PluginContext context, Map<String, String> settings) {
        // Other executors do no steps of their own, and a local one shares the driver's process.
        if (context.conf().contains(GpuExecutors.EXECUTOR_AMOUNT)) {
          RunMetrics.connect(context.metricRegistry());
        }
      }
    };
  }
}
