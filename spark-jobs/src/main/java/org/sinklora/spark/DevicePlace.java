package org.sinklora.spark;

import java.io.IOException;
import org.sinklora.compute.Device;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** One device of this process. */
final class DevicePlace implements Place {
  private final DeviceChoice choice;
  private final String application;
  private final int threads;
  private final Storage storage;
  private SparkPlace spark;
  private Device device;
  private CausalLm model;
  private ModelSource loaded;

  /**
   * @param application what Spark calls it, where it has to read data
   * @param threads of the CPU; 0 for all cores
   */
  DevicePlace(DeviceChoice choice, String application, int threads) {
    this(choice, application, threads, Storage.here(), null);
  }

  /**
   * A device for an application of Spark, which reads data.
   *
   * @param threads of the CPU; 0 for all cores
   * @param spark ends with the place
   */
  DevicePlace(DeviceChoice choice, int threads, SparkPlace spark) {
    this(choice, null, threads, spark.storage(), spark);
  }

  private DevicePlace(
      DeviceChoice choice, String application, int threads, Storage storage, SparkPlace spark) {
    this.choice = choice;
    this.application = application;
    this.threads = threads;
    this.storage = storage;
    this.spark = spark;
  }

  @Override
  public Storage storage() {
    return storage;
  }

  @Override
  public TokenDataSet open(String data, Split split, Tokenizer tokenizer, ModelSource model)
      throws IOException {
    DataSets sets = new DataSets(storage, data);
    if (!sets.isParquet() || !ClassPath.hasSpark()) {
      return sets.open(split, tokenizer, model);
    }
    if (spark == null) {
      spark = SparkPlace.open(application, "local[*]");
    }
    return spark.open(data, split, tokenizer, model);
  }

  @Override
  public CausalLm model(ModelSource source) throws IOException {
    if (!source.equals(loaded)) {
      closeModel();
      if (device == null) {
        device = choice.open(threads);
      }
      model = source.load(storage, device);
      loaded = source;
    }
    return model;
  }

  @Override
  public void check(TrainSettings.Rounds rounds) {
    if (!rounds.areLocal()) {
      rounds.checkNothingIsRounded("one process exchanges nothing");
    }
  }

  @Override
  public TrainingSteps steps(
      ModelSource source,
      TrainSettings settings,
      TrainTarget target,
      LoraTrainer trainer,
      LoraAdapter adapter) {
    TrainSettings.Rounds rounds = settings.rounds();
    if (!rounds.areLocal()) {
      return new DeviceSteps(trainer, device, target.sequencesPerPass());
    }
    return new LocalRounds(
        trainer,
        adapter,
        rounds,
        new DeviceWorkers(trainer, adapter, device, rounds, target.sequencesPerPass()));
  }

  @Override
  public WindowEvaluation windows(ModelSource source, String adapter, int tail) {
    return new DeviceEvaluation(this, source, adapter, tail);
  }

  private void closeModel() {
    if (model != null) {
      model.close();
      model = null;
      loaded = null;
    }
  }

  @Override
  public void close() {
    closeModel();
    if (device != null) {
      device.close();
    }
    if (spark != null) {
      spark.close();
    }
  }
}
