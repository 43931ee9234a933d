package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** Where the work of a command is done: by Spark, or by one device of this process. */
interface Place extends AutoCloseable {
  /** Value of {@code --master} for this process alone. */
  String NO_MASTER = "none";

  Storage storage();

  /**
   * One side of a data set.
   *
   * @throws UserException if it can't be read here, or does not fit the tokenizer
   */
  TokenDataSet open(String data, Split split, Tokenizer tokenizer, ModelSource model)
      throws IOException;

  /** The base model on this process's device; it ends with the place. */
  CausalLm model(ModelSource source) throws IOException;

  /**
   * Before anything is prepared or read.
   *
   * @throws UserException if steps can't exchange here what they are to exchange
   */
  default void check(TrainSettings.Rounds rounds) {}

  /** What does the steps of a run. */
  TrainingSteps steps(
      ModelSource source,
      TrainSettings settings,
      TrainTarget target,
      LoraTrainer trainer,
      LoraAdapter adapter);

  /**
   * What evaluates windows.
   *
   * @param adapter its folder; null for the base model
   * @param tail how many predictions of each window count, the last ones
   */
  WindowEvaluation windows(ModelSource source, String adapter, int tail) throws IOException;

  @Override
  void close();

  /** Whether a training is meant for the GPUs of Spark's executors; see {@link GpuExecutors}. */
  static boolean hasGpuExecutors(String master, DeviceOptions device) {
    boolean cluster =
        !NO_MASTER.equals(master) && ClassPath.hasSpark() && SparkPlace.hasMaster(master);
    return cluster && GpuExecutors.areMeant(GpuExecutors.settings(master), device);
  }

  /**
   * Chooses. Spark does what it can do, on CPUs; a GPU, and a process without Spark, works alone.
   *
   * @param application what Spark calls it
   * @param master of Spark; null for the default, {@value #NO_MASTER} for this process alone
   */
  static Place open(String application, String master, DeviceOptions device) {
    return open(application, master, device, 0);
  }

  /**
   * The same.
   *
   * @param threads of the CPU where this process works alone; 0 for all cores
   */
  static Place open(String application, String master, DeviceOptions device, int threads) {
    boolean alone = NO_MASTER.equals(master) || !ClassPath.hasSpark();
    // A cluster was asked for: that this machine has a GPU says nothing of the others.
    boolean cluster = !alone && SparkPlace.hasMaster(master);
    if (cluster && device.isAuto()) {
      return SparkPlace.open(application, master);
    }
    DeviceChoice choice = device.resolve();
    if (cluster && choice.isGpu()) {
      throw new UserException(
          "A GPU computes in this process, without Spark's executors (train alone gives each of their tasks one); leave out --device, or take --master none");
    }
    System.err.println(choice.describe());
    return alone || choice.isGpu()
        ? new DevicePlace(choice, application, threads)
        : SparkPlace.open(application, master);
  }
}
