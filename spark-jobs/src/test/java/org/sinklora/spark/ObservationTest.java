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
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;

/** What is seen of a preparation, a training and an evaluation from outside. */
class ObservationTest {
  private static final String NAME = "plugin.org.sinklora.spark.MetricsPlugin.";
  private static final JsonMapper JSON = new JsonMapper();
  private static final String LISTENERS = "spark.extraListeners";
  private static final String METRICS = "spark.metrics.conf";

  @TempDir private static Path folder;
  private static Path run;
  private static List<String> preparing;
  private static List<String> training;
  private static List<String> evaluating;
  private static List<String> fitting;
  private static Cli trained;

  @BeforeAll
  static void observe() throws IOException {
    Path data = SampleData.folder();
    Path example = Path.of(System.getProperty("sinklora.root"), "conf", "metrics.properties");
    Path settings = folder.resolve("metrics.properties");
    Files.createDirectory(folder.resolve("csv"));
    Files.writeString(
        settings,
        Files.readString(example)
            .replace("/tmp/sinklora-metrics", folder.resolve("csv").toString()));
    System.setProperty(LISTENERS, JobWatch.class.getName());
    JobWatch.take();

    Path texts = Files.createDirectory(folder.resolve("texts"));
    for (int i = 0; i < 6; i++) {
      Files.writeString(texts.resolve(i + ".txt"), ("Text number " + i + " counts. ").repeat(20));
    }
    Cli.succeed(
        "prepare",
        "--input",
        texts,
        "--near-duplicates",
        0.8,
        "--pack",
        32,
        "--output",
        folder.resolve("prepared"));
    preparing = JobWatch.take();
    System.setProperty(METRICS, settings.toString());

    run = folder.resolve("run <1> & \"more\"");
    trained = Cli.succeed(SampleData.train(run, "--master", "local[2]"));
    training = JobWatch.take();
    Files.move(folder.resolve("csv"), folder.resolve("csv-of-training"));
    Files.createDirectory(folder.resolve("csv"));
    Cli.succeed(
        "eval",
        "perplexity",
        "--data",
        data,
        "--adapter",
        run.resolve("adapter"),
        "--lengths",
        "128,256",
        "--documents",
        2,
        "--master",
        "local[2]",
        "--run",
        run);
    evaluating = JobWatch.take();
    System.clearProperty(METRICS);
    fitting = fit(texts);
  }

  private static List<String> fit(Path texts) throws IOException {
    SinkLoraEstimator estimator =
        new SinkLoraEstimator().setContext(64).setSteps(1).setBatchSize(1).setInputCol("value");
    try (SparkSession spark = SparkSessions.open("test", "local[2]")) {
      estimator.fit(spark.read().option("wholetext", true).text(texts.toString()));
      estimator.fit(spark.sql("SELECT transform(sequence(1, 80), x -> x + 300) AS value"));
    }
    return JobWatch.take();
  }

  @AfterAll
  static void forget() {
    System.clearProperty(LISTENERS);
    System.clearProperty(METRICS);
  }

  @Test
  void everyJobOfAPreparationHasADescription() {
    assertTrue(
        preparing.stream().allMatch(text -> text.startsWith("prepare: ")), preparing.toString());
    for (String part :
        List.of(
            "reading the texts",
            "near duplicates",
            "tokenising the texts",
            "sorting the documents",
            "writing train",
            "writing heldout")) {
      assertTrue(preparing.stream().anyMatch(text -> text.contains(part)), part + preparing);
    }
  }

  @Test
  void everyJobOfATrainingHasADescription() {
    List<String> steps =
        training.stream().filter(text -> text.startsWith("Training step ")).distinct().toList();
    assertEquals(
        List.of("1 of 4", "2 of 4", "3 of 4", "4 of 4").stream()
            .map(step -> "Training step " + step)
            .toList(),
        steps);
    assertTrue(training.contains("Reading the sequences of steps 1-4"), training.toString());
    assertTrue(
        training.stream()
            .allMatch(text -> text.matches("(Training|Reading|Opening|Looking for) .*")),
        training.toString());
  }

  @Test
  void everyJobOfAFitHasADescription() {
    assertTrue(fitting.contains("fit: reading the texts"), fitting.toString());
    assertTrue(fitting.contains("fit: reading the token ids"), fitting.toString());
    assertTrue(
        fitting.stream()
            .allMatch(
                text ->
                    text.matches("(fit: |prepare: |Training |Reading |Opening |Looking for ).*")),
        fitting.toString());
  }

  @Test
  void everyJobOfAnEvaluationHasADescription() {
    assertTrue(evaluating.contains("Perplexity at 128, 256 tokens"), evaluating.toString());
    assertTrue(evaluating.contains("Reading the held-out documents"), evaluating.toString());
    assertTrue(
        evaluating.stream().allMatch(text -> text.matches("(Perplexity|Reading|Opening) .*")),
        evaluating.toString());
  }

  @Test
  void sinksOfSparkGetTheFigures() throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(run.resolve("metrics.jsonl"))) {
      lines.add(JSON.readTree(line));
    }
    JsonNode last = lines.get(lines.size() - 1);
    assertEquals(last.path("loss").doubleValue(), sink("csv-of-training", "training.loss"));
    assertEquals(
        last.path("learning_rate").doubleValue(),
        sink("csv-of-training", "training.learning_rate"));
    assertEquals(
        last.path("grad_norm").doubleValue(), sink("csv-of-training", "training.grad_norm"));
    assertEquals(4, sink("csv-of-training", "training.step"));
    assertEquals(4, sink("csv-of-training", "training.steps"));
    assertEquals(4 * 4 * 256, sink("csv-of-training", "training.tokens"));
    assertEquals(
        last.path("tokens_per_second").doubleValue(),
        sink("csv-of-training", "training.tokens_per_second"),
        0.5);
    assertEquals(
        last.path("memory_mib").longValue(),
        (long) sink("csv-of-training", "training.memory_bytes") >> 20);
    JsonNode evaluated = JSON.readTree(run.resolve("perplexity.json").toFile());
    assertEquals(128, evaluated.at("/0/context").intValue());
    assertEquals(evaluated.at("/0/value").doubleValue(), sink("csv", "evaluation.perplexity.128"));
    assertEquals(evaluated.at("/1/value").doubleValue(), sink("csv", "evaluation.perplexity.256"));
  }

  /** The last value that CSV files have of a metric. */
  private static double sink(String csv, String metric) throws IOException {
    try (Stream<Path> files = Files.list(folder.resolve(csv))) {
      Path file =
          files
              .filter(path -> path.toString().endsWith(".driver." + NAME + metric + ".csv"))
              .findFirst()
              .orElseThrow(() -> new AssertionError("no file of " + metric));
      List<String> lines = Files.readAllLines(file);
      return Double.parseDouble(lines.get(lines.size() - 1).split(",")[1]);
    }
  }

  @Test
  void aTrainingLeavesEventsAndAReport() throws IOException {
    List<EventFile.Event> events = EventFile.readAll(run.resolve("tensorboard"));
    assertEquals(List.of(0L, 1L, 1L, 2L, 3L, 4L), events.stream().map(e -> e.step()).toList());
    assertTrue(trained.out().contains("report.html"), trained.out());

    Document page = ReportPage.parse(run.resolve("report.html"));
    String text = page.getDocumentElement().getTextContent();
    assertTrue(text.contains("Training run <1> & \"more\""), "title");
    assertTrue(text.contains("rows to train on") && text.contains("modules to save"), "tables");
    assertEquals("4", ReportPage.cell(page, "batch size"));
    List<String> titles = ReportPage.charts(page).findValuesAsText("title");
    assertTrue(
        titles.containsAll(List.of("Loss", "Learning rate", "Tokens a second")), "" + titles);
    assertTrue(text.contains("Perplexity on held-out texts"), "the evaluation went in");
  }
}
