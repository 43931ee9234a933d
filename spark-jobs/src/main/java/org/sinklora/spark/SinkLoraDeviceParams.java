package org.sinklora.spark;

import org.apache.spark.ml.param.DoubleParam;
import org.apache.spark.ml.param.IntParam;
import org.apache.spark.ml.param.Param;
import org.apache.spark.ml.param.Params;

/**
 * What a {@link SinkLoraEstimator} trains on; names are those of {@code sinklora train}.
 *
 * @param <S> the class that has these params, which its setters return
 */
public interface SinkLoraDeviceParams<S extends SinkLoraDeviceParams<S>> extends Params {

  /**
   * What trains:
   *
   * <ul>
   *   <li>{@code cpu}, the CPUs of Spark's executors. The default, where the command line's is
   *       {@code auto}: the adapter is then the same on every machine.
   *   <li>{@code cuda}, all GPUs of the executors ({@code spark.executor.resource.gpu.amount}), a
   *       task for each; with a master {@code local} the first GPU of this process, and {@code
   *       cuda:N} another.
   *   <li>{@code auto}, GPUs where the executors have some, with a master {@code local} where there
   *       is one; else CPUs.
   * </ul>
   */
  default Param<String> device() {
    return new Param<>(
        this,
        "device",
        "what trains: cpu, the executors' CPUs; cuda, their GPUs, with a local master the first of this process (cuda:N another); auto, GPUs where there are any",
        ParamRule.that("device", DeviceOptions::isName, DeviceOptions.NAMES));
  }

  /** Value of {@link #device()}. */
  default String getDevice() {
    return getOrDefault(device());
  }

  /** Sets {@link #device()}. */
  default S setDevice(String value) {
    return ParamSetting.set(this, device(), value);
  }

  /**
   * In what a GPU keeps frozen weights and activations, bfloat16 or float32; if not set, bfloat16.
   * CPUs compute in float32.
   */
  default Param<String> precision() {
    return new Param<>(
        this,
        "precision",
        "in what a GPU keeps frozen weights and activations: bfloat16 or float32; if not set, bfloat16",
        ParamRule.oneOf("precision", "bfloat16", "float32"));
  }

  /** Value of {@link #precision()}. */
  default String getPrecision() {
    return getOrDefault(precision());
  }

  /** Sets {@link #precision()}. */
  default S setPrecision(String value) {
    return ParamSetting.set(this, precision(), value);
  }

  /** GiB of a GPU's memory that the training may take, weights included; 0: all that is free. */
  default DoubleParam memoryLimit() {
    return new DoubleParam(
        this,
        "memoryLimit",
        "GiB of a GPU's memory that the training may take, weights included; 0: all that is free",
        ParamRule.notNegative("memoryLimit"));
  }

  /** Value of {@link #memoryLimit()}. */
  default double getMemoryLimit() {
    return (Double) getOrDefault(memoryLimit());
  }

  /** Sets {@link #memoryLimit()}. */
  default S setMemoryLimit(double value) {
    return ParamSetting.set(this, memoryLimit(), value);
  }

  /**
   * Tasks of a step, batchSize at most, or GPUs of the executors that take part; 0: as many as
   * cores or sequences, or all GPUs.
   */
  default IntParam partitions() {
    return new IntParam(
        this,
        "partitions",
        "tasks of a step, or GPUs that take part; 0: as many as cores or sequences, or all GPUs",
        ParamRule.atLeast("partitions", 0));
  }

  /** Value of {@link #partitions()}. */
  default int getPartitions() {
    return (Integer) getOrDefault(partitions());
  }

  /** Sets {@link #partitions()}. */
  default S setPartitions(int value) {
    return ParamSetting.set(this, partitions(), value);
  }

  /**
   * Sequences that go through the model together on a GPU: more memory, less time for short ones.
   */
  default IntParam sequencesPerPass() {
    return new IntParam(
        this,
        "sequencesPerPass",
        "sequences that go through the model together on a GPU: more memory, less time for short ones",
        ParamRule.atLeast("sequencesPerPass", 1));
  }

  /** Value of {@link #sequencesPerPass()}. */
  default int getSequencesPerPass() {
    return (Integer) getOrDefault(sequencesPerPass());
  }

  /** Sets {@link #sequencesPerPass()}. */
  default S setSequencesPerPass(int value) {
    return ParamSetting.set(this, sequencesPerPass(), value);
  }
}
