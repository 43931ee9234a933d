package org.sinklora.spark;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.sinklora.compute.CpuDevice;
import org.sinklora.compute.Device;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** The executors of a Spark session, each on its CPUs. */
final class SparkPlace implements Place {
  private final SparkSession spark;
  private final boolean owned;
  private final Storage storage;
  private final List<Device> devices = new ArrayList<>();

  private SparkPlace(SparkSession spark, boolean owned) {
    this.spark = spark;
    this.owned = owned;
    this.storage = SparkSessions.storage(spark);
  }

  /** A session of its own, which ends with the place. */
  static SparkPlace open(String application, String master) {
    return new SparkPlace(SparkSessions.open(application, master), true);
  }

  /** A session that someone else ends. */
  static SparkPlace of(SparkSession spark) {
    return new SparkPlace(spark, false);
  }

  /** Whether a Spark is named, by the command line or by {@code spark-submit}. */
  static boolean hasMaster(String master) {
    return master != null || System.getProperty("spark.master") != null;
  }

  @Override
  public Storage storage() {
    return storage;
  }

  @Override
  public TokenDataSet open(String data, Split split, Tokenizer tokenizer, ModelSource model)
      throws IOException {
    DataSets sets = new DataSets(storage, data);
    if (!sets.isParquet()) {
      return sets.open(split, tokenizer, model);
    }
    try (JobDescription job = JobDescription.of("Opening the data set " + data)) {
      return ParquetTokens.open(
          spark, data, split, tokenizer.fingerprint(), model.config().vocabSize());
    }
  }

  @Override
  public CausalLm model(ModelSource source) {
    Device device = new CpuDevice();
    devices.add(device);
    return ExecutorModels.base(source).on(device);
  }

  @Override
  public TrainingSteps steps(
      ModelSource source,
      TrainSettings settings,
      TrainTarget target,
      LoraTrainer trainer,
      LoraAdapter adapter) {
    ModelReach.check(SparkSessions.context(spark), source);
    if (settings.rounds().areLocal()) {
      return localRounds(source, settings, target, trainer, adapter);
    }
    TaskThreads threads =
        TaskThreads.plan(
            SparkSessions.context(spark),
            settings.optimizer().batchSize(),
            target.partitions(),
            target.threads());
    checkExecutors(source, settings, threads.tasks());
    GradientWorker.Key key = new GradientWorker.Key(source, settings, threads.threads());
    return new TrainingRounds(SparkSessions.context(spark), trainer, adapter, key, threads);
  }

  private void checkExecutors(ModelSource source, TrainSettings settings, int tasks) {
    JavaSparkContext context = SparkSessions.context(spark);
    List<ExecutorFacts> executors = ExecutorFacts.ofAll(context);
    MemoryReach.check(context, executors, source, settings, tasks);
    ExecutorKernels.warn(executors);
  }

  private TrainingSteps localRounds(
      ModelSource source,
      TrainSettings settings,
      TrainTarget target,
      LoraTrainer trainer,
      LoraAdapter adapter) {
    JavaSparkContext context = SparkSessions.context(spark);
    int workers = settings.rounds().workers();
    TaskThreads threads = TaskThreads.plan(context, workers, workers, target.threads());
    checkExecutors(source, settings, threads.tasks());
    LocalWorker.Key key = new LocalWorker.Key(source, settings, threads.threads());
    return new LocalRounds(
        trainer, adapter, settings.rounds(), new SparkWorkers(context, key, threads.atATime()));
  }

  @Override
  public WindowEvaluation windows(ModelSource source, String adapter, int tail) throws IOException {
    ModelReach.check(SparkSessions.context(spark), source);
    AdapterFiles files = adapter == null ? null : AdapterFiles.read(storage, adapter);
    return new PerplexityJob(SparkSessions.context(spark), source, files, tail);
  }

  @Override
  public void close() {
    TaskWorkers.closeIdle();
    devices.forEach(Device::close);
    if (owned) {
      spark.stop();
    }
  }
}
