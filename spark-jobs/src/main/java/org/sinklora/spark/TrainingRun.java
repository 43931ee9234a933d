package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.Path;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.sql.SparkSession;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;
import org.sinklora.lora.StepResult;

/** A training run: from a prepared data set to an adapter folder. */
final class TrainingRun {
  /** Adapter, gradient and two moments: what a run holds for each trained value, in floats. */
  private static final int FLOATS_PER_VALUE = 3;

  private final SparkSession spark;
  private final Storage storage;
  private final TrainSettings settings;
  private final ModelSource model;
  private final TrainTarget target;

  /**
   * @param settings what decides the result
   * @param model with the context of the training
   * @param target where things go and how the work is cut
   */
  TrainingRun(SparkSession spark, TrainSettings settings, ModelSource model, TrainTarget target) {
    this.spark = spark;
    this.storage = SparkSessions.storage(spark);
    this.settings = settings;
    this.model = model;
    this.target = target;
  }

  /** The result as it stands in the JSON file. */
  ObjectNode run() throws IOException {
    if (!target.resume()) {
      storage.checkOutput(target.folder(), target.overwrite(), target.metrics().getName());
    }
    TokenDataSet data;
    try (Tokenizer tokenizer =
        Tokenizer.load(model.folder(spark.sparkContext().hadoopConfiguration()))) {
      ModelFit.check(tokenizer, model);
      data =
          TokenDataSet.open(
              spark,
              target.data(),
              Split.TRAIN,
              tokenizer.fingerprint(),
              model.config().vocabSize());
    }
    SequenceFeed feed = new SequenceFeed(data, settings);
    JavaSparkContext context = SparkSessions.context(spark);
    TaskThreads threads =
        TaskThreads.plan(
            context, settings.optimizer().batchSize(), target.partitions(), target.threads());
    GradientWorker.Key key = new GradientWorker.Key(model, settings, threads.threads());
    try (CpuDevice device = new CpuDevice()) {
      CausalLm base = ExecutorModels.base(model).on(device);
      try (LoraAdapter adapter =
              LoraAdapter.create(base, settings.loraConfig(base.config()), settings.seed());
          LoraTrainer trainer =
              new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig())) {
        storage.checkRoom(
            target.folder(),
            adapter.size() * Float.BYTES * FLOATS_PER_VALUE * (target.keepCheckpoints() + 1L));
        Checkpoints checkpoints =
            new Checkpoints(
                storage, target.checkpoints(), identity(data.info()), target.keepCheckpoints());
        begin(checkpoints, trainer);
        TrainingRounds rounds = new TrainingRounds(context, trainer, adapter, key, threads.tasks());
        ObjectNode result = train(feed, trainer, rounds, checkpoints);
        AdapterFolder.write(storage, target.adapter(), adapter, model, settings);
        result.put("trained_values", adapter.size());
        result.put("tasks", threads.tasks());
        result.put("threads_per_task", threads.threads());
        return result;
      }
    } finally {
      TaskWorkers.closeIdle();
    }
  }

  /** What must be the same for a checkpoint to be continued. */
  private ObjectNode identity(DataSetInfo info) {
    ObjectNode identity = new JsonMapper().createObjectNode();
    identity.set("settings", settings.toJson());
    identity.put("data", info.train().contentHash());
    identity.put("model_config", model.config().json().toString());
    return identity;
  }

  private void begin(Checkpoints checkpoints, LoraTrainer trainer) throws IOException {
    if (!target.resume()) {
      // Only what a run writes: the folder may hold something else.
      for (Path old : List.of(target.adapter(), target.checkpoints(), target.metrics())) {
        storage.delete(old);
      }
      storage.fileSystem(target.folder()).mkdirs(target.folder());
      return;
    }
    Optional<String> from = checkpoints.restore(trainer);
    System.err.println(
        from.map(name -> "Continuing from checkpoint " + name)
            .orElse("There is no checkpoint yet: starting from the beginning"));
  }

  private ObjectNode train(
      SequenceFeed feed, LoraTrainer trainer, TrainingRounds rounds, Checkpoints checkpoints)
      throws IOException {
    long steps = settings.optimizer().steps();
    long first = trainer.stepsDone();
    List<Double> losses = new ArrayList<>();
    long start = System.nanoTime();
    long trained = 0;
    try (MetricsLog metrics = new MetricsLog(storage, target.metrics(), first);
        Progress progress = new Progress("Training", "steps", steps, first)) {
      while (trainer.stepsDone() < steps) {
        long begun = System.nanoTime();
        List<Sequence> sequences = feed.step(trainer.stepsDone());
        StepResult step = rounds.step(sequences);
        long tokens = sequences.stream().mapToLong(sequence -> sequence.tokens().length).sum();
        double rate = tokens / ((System.nanoTime() - begun) / 1e9);
        trained += tokens;
        metrics.add(step, rate, rounds.largestProcess());
        losses.add(step.loss());
        progress.update(step.step(), note(step, rate, rounds.largestProcess()));
        boolean last = step.step() == steps;
        if (!last && step.step() % target.checkpointEvery() == 0) {
          checkpoints.save(trainer);
        }
      }
      if (first < steps) {
        checkpoints.save(trainer);
      }
    }
    ObjectNode result = new JsonMapper().createObjectNode();
    result.put("adapter", target.adapter().toString());
    result.put("steps", steps);
    result.put("resumed_at", first);
    double seconds = (System.nanoTime() - start) / 1e9;
    result.put("seconds", seconds);
    result.put("tokens_per_second", trained / seconds);
    result.set("losses", new JsonMapper().valueToTree(losses));
    return result;
  }

  private static String note(StepResult step, double tokensPerSecond, long memory) {
    return "loss %.4f, lr %.2g, grad norm %.3f, %,.0f tokens/s, %,d MiB"
        .formatted(
            step.loss(), step.learningRate(), step.gradNorm(), tokensPerSecond, memory >> 20);
  }
}
