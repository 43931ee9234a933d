package org.sinklora.spark;

import java.io.Serializable;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import org.apache.spark.SparkEnv;
import org.apache.spark.api.java.JavaSparkContext;
import org.sinklora.compute.NativeSupport;
import org.sinklora.compute.VectorUnit;

/**
 * What a training has to know of an executor, or of the driver.
 *
 * @param id as Spark calls the executor
 * @param host name of the machine or container
 * @param machineBytes memory of the machine, or of the container around the process
 * @param heapBytes largest Java heap
 * @param processBytes most that the process may occupy; 0 for no limit of its own
 * @param kernels what its CPU computes with
 */
record ExecutorFacts(
    String id, String host, long machineBytes, long heapBytes, long processBytes, String kernels)
    implements Serializable {

  /** Of the process this runs in. */
  static ExecutorFacts here() {
    return new ExecutorFacts(
        SparkEnv.get().executorId(),
        hostName(),
        machineMemory(),
        Runtime.getRuntime().maxMemory(),
        NativeSupport.largestProcessBytes(),
        System.getProperty("os.arch") + ", " + VectorUnit.describe());
  }

  private static String hostName() {
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (UnknownHostException e) {
      // A machine without a name in the network is at least not another one.
      return SparkEnv.get().blockManager().blockManagerId().host();
    }
  }

  private static long machineMemory() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : Long.MAX_VALUE;
  }

  /** Of all executors; of this process, where it does the tasks itself. */
  static List<ExecutorFacts> ofAll(JavaSparkContext spark) {
    if (TaskThreads.isOneProcess(spark)) {
      return List.of(here());
    }
    try (JobDescription job = JobDescription.of("Looking at the executors")) {
      return List.copyOf(EveryExecutor.ask(spark, ExecutorFacts::here).values());
    }
  }
}
