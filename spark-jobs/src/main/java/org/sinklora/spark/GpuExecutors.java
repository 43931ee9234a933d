package org.sinklora.spark;

import java.util.Optional;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.resource.ResourceProfile;
import org.apache.spark.resource.ResourceProfileBuilder;
import org.apache.spark.resource.TaskResourceRequests;

/** The GPUs of Spark's executors, as Spark's settings give them to tasks. */
final class GpuExecutors {
  /** What Spark's settings and tasks call a GPU. */
  static final String RESOURCE = "gpu";

  static final String EXECUTOR_AMOUNT = "spark.executor.resource.gpu.amount";
  static final String TASK_AMOUNT = "spark.task.resource.gpu.amount";

  private GpuExecutors() {}

  /**
   * Settings of an application that is yet to start.
   *
   * @param master of the command line; null for what {@code spark-submit} says
   */
  static SparkConf settings(String master) {
    SparkConf conf = new SparkConf();
    return master == null ? conf : conf.setMaster(master);
  }

  /** Whether a training of an application on a cluster is meant for them. */
  static boolean areMeant(SparkConf conf, DeviceOptions device) {
    return device.isGpu() || device.isAuto() && conf.contains(EXECUTOR_AMOUNT);
  }

  /**
   * Refuses what can't work.
   *
   * @param conf of the application, which may be yet to start
   */
  static void check(SparkConf conf, DeviceOptions device) {
    if (device.namesGpu()) {
      throw new UserException(
          "Spark says which GPU a task gets: take --device cuda, without number");
    }
    String where = conf.get("spark.master");
    if (where.matches("local(\\[.*])?")) {
      throw new UserException(
          "--master %s has no executors with GPUs; take --master none to train on one GPU of this machine, or a standalone master and worker on it for all of them"
              .formatted(where));
    }
    if (conf.getBoolean("spark.dynamicAllocation.enabled", false)) {
      throw new UserException(
          "All tasks of a training on GPUs start together, while executors come and go; set spark.dynamicAllocation.enabled to false");
    }
    if (conf.getInt(EXECUTOR_AMOUNT, 0) < 1 || conf.getDouble(TASK_AMOUNT, 1) != 1) {
      throw new UserException(
          "%s is %s and %s is %s; for one task a GPU set the first to the GPUs of an executor and leave the second out (conf/spark-gpu.conf)"
              .formatted(
                  EXECUTOR_AMOUNT,
                  conf.get(EXECUTOR_AMOUNT, "not set"),
                  TASK_AMOUNT,
                  conf.get(TASK_AMOUNT, "not set")));
    }
  }

  /**
   * What the training stage asks for: a GPU a task, with its share of the executor's cores. Other
   * stages then run on all cores, without GPUs.
   *
   * @return empty if there are none, or if {@value #TASK_AMOUNT} gives one to every task
   */
  static Optional<ResourceProfile> trainingStage(SparkConf conf) {
    int gpus = conf.getInt(EXECUTOR_AMOUNT, 0);
    if (gpus == 0 || conf.contains(TASK_AMOUNT)) {
      return Optional.empty();
    }
    int least = conf.getInt("spark.task.cpus", 1);
    int share = conf.getInt("spark.executor.cores", least) / gpus;
    TaskResourceRequests task =
        new TaskResourceRequests().cpus(Math.max(least, share)).resource(RESOURCE, 1);
    return Optional.of(new ResourceProfileBuilder().require(task).build());
  }

  /**
   * How many there are.
   *
   * @param asked of the command line; 0 for all
   */
  static int count(JavaSparkContext spark, int asked) {
    if (asked > 0) {
      return asked;
    }
    SparkConf conf = spark.getConf();
    // A number that was asked for is one that the training stage itself waits for.
    int executors = conf.getInt("spark.executor.instances", 0);
    if (executors == 0) {
      executors = ExecutorWait.of(spark).ids().size();
    }
    return executors * conf.getInt(EXECUTOR_AMOUNT, 1);
  }
}
