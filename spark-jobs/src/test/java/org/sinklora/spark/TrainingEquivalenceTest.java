package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.CpuDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.CausalLm;
import org.sinklora.lora.LoraAdapter;
import org.sinklora.lora.LoraTrainer;

/** A run gives the same losses however the work is cut. */
class TrainingEquivalenceTest {
  private static final double BOUND = 1e-5;
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  @Test
  void oneTaskTwoTasksThreeTasksAndTheSingleProcessAgree() throws IOException {
    List<Double> one = losses("one", "--master", "local[1]");
    List<Double> two = losses("two", "--master", "local[2]", "--partitions", "2");
    List<Double> three = losses("three", "--master", "local[2]", "--partitions", "3");
    List<Double> single = singleProcess(folder.resolve("one"));
    assertEquals(4, single.size());
    for (int step = 0; step < single.size(); step++) {
      assertEquals(single.get(step), one.get(step), BOUND, "local[1], step " + (step + 1));
      assertEquals(single.get(step), two.get(step), BOUND, "local[2], step " + (step + 1));
      assertEquals(single.get(step), three.get(step), BOUND, "3 tasks, step " + (step + 1));
    }
  }

  @Test
  void oneDeviceDoesTheStepsOfSparkWithAndWithoutIt() throws IOException, InterruptedException {
    List<Double> spark = losses("spark", "--master", "local[2]");
    List<Double> parquet = losses("parquet", "--master", "none");
    List<Double> tokens = losses("tokens", "--master", "none", "--data", SampleData.tokenFiles());
    List<Double> together = losses("together", "--master", "none", "--sequences-per-pass", 3);
    List<Double> sparkOnTokens =
        losses("spark-on-tokens", "--master", "local[2]", "--data", SampleData.tokenFiles());
    Path output = folder.resolve("without-spark");
    Path log = folder.resolve("without-spark.log");
    Process process =
        ChildJvm.start(
            log,
            ChildJvm.commandWithoutSpark(
                "2g", SinkLora.class, SampleData.train(output, "--data", SampleData.tokenFiles())));
    assertEquals(0, process.waitFor(), () -> read(log));
    List<Double> withoutSpark = metrics(output);

    assertEquals(4, spark.size());
    assertEquals(parquet, tokens, "the same documents in the same order");
    assertEquals(tokens, withoutSpark, "the same arithmetic");
    for (int step = 0; step < spark.size(); step++) {
      assertEquals(spark.get(step), parquet.get(step), BOUND, "one device, step " + (step + 1));
      assertEquals(spark.get(step), together.get(step), BOUND, "three together, " + (step + 1));
      assertEquals(spark.get(step), sparkOnTokens.get(step), BOUND, "token files, " + (step + 1));
    }
    JsonNode saved = JSON.readTree(output.resolve("adapter/sinklora_config.json").toFile());
    assertEquals(256, saved.at("/training/context").asInt());
    assertTrue(Files.exists(output.resolve("report.html")), "the report needs no Spark");
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private List<Double> losses(String name, Object... where) throws IOException {
    Path output = folder.resolve(name);
    Cli.succeed(SampleData.train(output, where));
    return metrics(output);
  }

  private static List<Double> metrics(Path output) throws IOException {
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      losses.add(JSON.readTree(line).path("loss").asDouble());
    }
    return losses;
  }

  /** The same settings and sequences without Spark's rounds. */
  private static List<Double> singleProcess(Path run) throws IOException {
    TrainSettings settings =
        JSON.treeToValue(
            JSON.readTree(run.resolve("adapter/sinklora_config.json").toFile()).path("training"),
            TrainSettings.class);
    ModelSource model =
        ModelSource.of(BundledModel.NAME, Storage.here())
            .extended(settings.context(), settings.ropeScaling());
    List<Double> losses = new ArrayList<>();
    try (SparkSession spark = SparkSessions.open("test", "local[1]");
        CpuDevice device = new CpuDevice(2);
        CausalLm base = CausalLm.load(BundledModel.folder(), model.config(), device);
        LoraAdapter adapter =
            LoraAdapter.create(base, settings.loraConfig(model.config()), settings.seed());
        LoraTrainer trainer =
            new LoraTrainer(base.withAdapter(adapter), settings.trainingConfig())) {
      SequenceFeed feed =
          new SequenceFeed(
              TrainingData.open(
                  SparkPlace.of(spark), DataMix.of(SampleData.folder().toString()), model),
              settings);
      for (int step = 0; step < settings.optimizer().steps(); step++) {
        losses.add(trainer.step(feed.step(step).stream().map(Sequence::batch).toList()).loss());
      }
    }
    return losses;
  }
}
