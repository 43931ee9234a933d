package org.sinklora.spark;

import static org.apache.spark.sql.functions.col;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.ml.Pipeline;
import org.apache.spark.ml.PipelineModel;
import org.apache.spark.ml.PipelineStage;
import org.apache.spark.ml.feature.IndexToString;
import org.apache.spark.ml.feature.SQLTransformer;
import org.apache.spark.ml.feature.StringIndexer;
import org.apache.spark.ml.param.ParamMap;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.compute.cuda.CudaDevice;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.Perplexity;

/** The estimator and its model in pipelines, against the command line. */
class SinkLoraPipelineTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final int CONTEXT = 64;
  private static final StructType SCHEMA =
      new StructType().add("id", DataTypes.IntegerType).add("body", DataTypes.StringType);

  @TempDir private static Path shared;
  private static List<String> bodies;
  private static Path lines;
  private static Path data;
  private static Path chats;
  private static byte[] ofTexts;
  private static byte[] ofChats;
  private static SparkSession spark;
  private static Dataset<Row> texts;

  @TempDir private Path folder;

  /** What the command line makes of the same texts; it ends the session that it works in. */
  @BeforeAll
  static void trainByCommands() throws IOException {
    bodies = new ArrayList<>();
    try (Stream<Path> files = Files.walk(SampleData.SOURCES)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        String text = Files.readString(file);
        if (text.length() > 3000 && bodies.size() < 12) {
          // Their beginnings are much alike.
          bodies.add(text.substring(1500, 3000));
        }
      }
    }
    StringBuilder json = new StringBuilder();
    bodies.forEach(body -> json.append(JSON.createObjectNode().put("text", body)).append('\n'));
    lines = Files.writeString(shared.resolve("texts.jsonl"), json.toString());
    data = prepare("data", lines, "--min-characters", 100);
    ofTexts = train(data);

    StringBuilder chat = new StringBuilder();
    for (int i = 0; i < 9; i++) {
      chat.append(
          "{\"messages\": [{\"role\": \"user\", \"content\": \"Count to %d\"}, {\"role\": \"assistant\", \"content\": \"%s\"}]}%n"
              .formatted(i, "one ".repeat(i + 1)));
    }
    Path input = Files.writeString(shared.resolve("chats.jsonl"), chat.toString());
    chats =
        prepare("chats", input, "--format", "chat", "--chat-template", "alpaca", "--pack", CONTEXT);
    ofChats = train(chats);

    spark = SparkSessions.open("test", "local[2]");
    List<Row> rows = new ArrayList<>();
    for (String body : bodies) {
      rows.add(RowFactory.create(rows.size(), body));
    }
    rows.add(RowFactory.create(rows.size(), null));
    rows.add(RowFactory.create(rows.size(), ""));
    texts = spark.createDataFrame(rows, SCHEMA).repartition(3);
  }

  @AfterAll
  static void stop() {
    if (spark != null) {
      spark.stop();
    }
  }

  private static Path prepare(String name, Path input, Object... more) {
    Path output = shared.resolve(name);
    Object[] command = {
      "prepare", "--input", input, "--held-out", 0, "--output", output, "--master", "local[2]"
    };
    Cli.succeed(SampleData.with(command, more));
    return output;
  }

  private static byte[] train(Path from) throws IOException {
    Path run = shared.resolve("run-" + from.getFileName());
    Cli.succeed(
        "train",
        "--data",
        from,
        "--context",
        CONTEXT,
        "--steps",
        3,
        "--batch-size",
        2,
        "--learning-rate",
        3e-3,
        "--warmup-steps",
        1,
        "--modules-to-save",
        "norm,input_layernorm",
        "--seed",
        5,
        "--output",
        run,
        "--master",
        "local[2]");
    return Files.readAllBytes(run.resolve("adapter/adapter_model.safetensors"));
  }

  /** The same settings. */
  private static SinkLoraEstimator estimator() {
    return new SinkLoraEstimator()
        .setContext(CONTEXT)
        .setSteps(3)
        .setBatchSize(2)
        .setLearningRate(3e-3)
        .setWarmupSteps(1)
        .setModulesToSave("norm", "input_layernorm")
        .setSeed(5);
  }

  private byte[] saved(SinkLoraModel model) throws IOException {
    Path target = folder.resolve("saved");
    model.write().overwrite().save(target.toString());
    return Files.readAllBytes(target.resolve("adapter/adapter_model.safetensors"));
  }

  @Test
  void aPipelineIsFittedSavedAndLoaded() throws IOException {
    int context = CONTEXT;
    int steps = 2;
    String folder = this.folder.resolve("model").toString();

    SQLTransformer select =
        new SQLTransformer().setStatement("SELECT id, body AS text FROM __THIS__");
    SinkLoraEstimator lora =
        new SinkLoraEstimator()
            .setContext(context)
            .setSteps(steps)
            .setBatchSize(2)
            .setLearningRate(3e-3)
            .setModulesToSave(
                "embed_tokens", "norm", "input_layernorm", "post_attention_layernorm");
    Pipeline pipeline = new Pipeline().setStages(new PipelineStage[] {select, lora});
    PipelineModel model = pipeline.fit(texts);
    model.write().overwrite().save(folder);
    PipelineModel.load(folder).transform(texts).select("id", "perplexity").show();

    List<Row> direct = model.transform(texts).sort("id").collectAsList();
    List<Row> loaded = PipelineModel.load(folder).transform(texts).sort("id").collectAsList();
    assertEquals(direct, loaded);
    assertEquals(bodies.size() + 2, direct.size());
    assertEquals(List.of("id", "text", "perplexity"), List.of(direct.get(0).schema().fieldNames()));
    for (Row row : direct) {
      // Without a text there is nothing to predict; of an empty one its end.
      assertEquals(row.isNullAt(1), row.isNullAt(2), row.toString());
    }
    readmeShowsTheseLines();

    // The unfitted pipeline too.
    String unfitted = this.folder.resolve("pipeline").toString();
    pipeline.save(unfitted);
    SinkLoraEstimator again = (SinkLoraEstimator) Pipeline.load(unfitted).getStages()[1];
    assertEquals(lora.explainParams(), again.explainParams());
    assertArrayEquals(lora.getModulesToSave(), again.getModulesToSave());
  }

  /** What the README says is what was run. */
  private static void readmeShowsTheseLines() throws IOException {
    String readme = Files.readString(Path.of("..", "README.md"));
    String section = readme.substring(readme.indexOf("## In a Spark ML pipeline"));
    int start = section.indexOf("```java\n") + "```java\n".length();
    String code = section.substring(start, section.indexOf("```", start));
    String test =
        Files.readString(Path.of("src/test/java/org/sinklora/spark/SinkLoraPipelineTest.java"));
    assertTrue(code.lines().count() > 5, code);
    assertTrue(test.replaceAll("\\s+", "").contains(code.replaceAll("\\s+", "")), code);
  }

  @Test
  void theAdapterIsThatOfTheCommandLine() throws IOException {
    SinkLoraModel model = estimator().setInputCol("body").setMinCharacters(100).fit(texts);
    assertArrayEquals(ofTexts, saved(model));
    // The work folder is gone.
    Path work = Files.createDirectory(folder.resolve("work"));
    Dataset<Row> ids = spark.read().parquet(data.resolve("train").toString());
    SinkLoraModel ofIds =
        estimator().setInputCol("input_ids").setWorkFolder(work.toString()).fit(ids);
    assertArrayEquals(ofTexts, saved(ofIds));
    try (Stream<Path> left = Files.list(work)) {
      assertEquals(List.of(), left.toList());
    }
    // Labels and packed examples are learnt as they were prepared.
    Dataset<Row> labelled = spark.read().parquet(chats.resolve("train").toString());
    assertArrayEquals(ofChats, saved(estimator().setInputCol("input_ids").fit(labelled)));
  }

  /** Where one GPU of this process computes; here the CPU does. */
  @Test
  void oneDeviceOfThisProcessTrainsInTheCallersSession() throws IOException {
    ModelSource plain = ModelSource.of(estimator().getModel(), Storage.here());
    TrainSettings settings = FrameTraining.settings(estimator(), plain);
    Path run = folder.resolve("run");
    TrainTarget target =
        new TrainTarget(DataMix.of(data.toString()), run.toString(), false, false, 50, 1, 0, 0, 1);
    try (DevicePlace place = new DevicePlace(DeviceChoice.cpu("test"), 0, SparkPlace.of(spark))) {
      new TrainingRun(place, settings, settings.trained(plain), target).run();
    }
    assertFalse(spark.sparkContext().isStopped());
    List<String> expected = Files.readAllLines(shared.resolve("run-data/metrics.jsonl"));
    List<String> lines = Files.readAllLines(run.resolve("metrics.jsonl"));
    assertEquals(3, lines.size());
    for (int step = 0; step < 3; step++) {
      assertEquals(
          JSON.readTree(expected.get(step)).path("loss").asDouble(),
          JSON.readTree(lines.get(step)).path("loss").asDouble(),
          1e-5,
          "step " + (step + 1));
    }
  }

  @Test
  void devicesThatAreNotThereAreRefused() {
    Path work = folder.resolve("refused");
    SinkLoraEstimator estimator = estimator().setInputCol("body").setWorkFolder(work.toString());
    refused(
        CudaDevice.list().isEmpty()
            ? "device is cuda:99, but there is no GPU: "
            : "device is cuda:99, but the last GPU is cuda:",
        () -> estimator.copy(ParamMap.empty()).setDevice("cuda:99").fit(texts));
    refused(
        "precision bfloat16 is for a GPU; the CPU computes in float32",
        () -> estimator.copy(ParamMap.empty()).setPrecision("bfloat16").fit(texts));
    refused(
        "partitions is 3, but a step has only 2 sequences (batchSize), so that 1 tasks",
        () -> estimator.copy(ParamMap.empty()).setPartitions(3).fit(texts));
    refused(
        "workers is 3, but a step has only 2 sequences (batchSize)",
        () -> estimator.copy(ParamMap.empty()).setSyncEvery(2).setWorkers(3).fit(texts));
    assertFalse(Files.exists(work), "texts were prepared for nothing");
  }

  @Test
  void perplexityIsThatOfTheEvaluation() throws IOException {
    Path adapter = shared.resolve("run-data/adapter");
    SinkLoraModel model = SinkLoraModel.ofAdapter(adapter.toString()).setInputCol("body");
    double sum = 0;
    int windows = 0;
    for (Row row : model.transform(texts.filter("length(body) > 100")).collectAsList()) {
      sum += Math.log(row.getDouble(2));
      windows++;
    }
    Perplexity expected;
    try (SparkPlace place = SparkPlace.of(spark)) {
      expected =
          new PerplexityEvaluation(
                  lines.toString(),
                  EvaluationWindows.Protocol.DOCUMENTS,
                  List.of(CONTEXT),
                  256,
                  0,
                  0,
                  Integer.MAX_VALUE)
              .of(
                  place,
                  AdapterFolder.model(adapter.toString(), null, place.storage()),
                  adapter.toString())
              .get(CONTEXT);
    }
    // Every document has more tokens than the context.
    assertEquals(expected.windows(), windows);
    assertEquals(expected.value(), Math.exp(sum / windows), 1e-5 * expected.value());

    // Token ids are taken as they are; one alone predicts nothing.
    List<Row> ids =
        spark
            .sql("SELECT array(1) AS ids UNION ALL SELECT array() UNION ALL SELECT array(1, 300)")
            .select(col("ids").cast("array<int>"))
            .collectAsList();
    List<Row> some =
        model
            .copy(ParamMap.empty())
            .setInputCol("ids")
            .setOutputCol("p")
            .transform(spark.createDataFrame(ids, new StructType().add("ids", "array<int>")))
            .collectAsList();
    assertEquals(3, some.size());
    assertEquals(2, some.stream().filter(row -> row.isNullAt(1)).count());
  }

  @Test
  void textsGoOnAsOnTheCommandLine() {
    Path adapter = shared.resolve("run-data/adapter");
    SinkLoraModel model =
        SinkLoraModel.ofAdapter(adapter.toString())
            .setOutput(SinkLoraOutputParams.GENERATION)
            .setMaxNewTokens(12)
            .setKv("h2o:heavy=0.2,recent=0.3");
    List<Row> prompts = new ArrayList<>();
    prompts.add(RowFactory.create("public final class"));
    prompts.add(RowFactory.create((String) null));
    // Far more than the context.
    prompts.add(RowFactory.create(bodies.get(0)));
    prompts.add(RowFactory.create("import java.util."));
    List<Row> answers =
        model
            .transform(
                spark
                    .createDataFrame(prompts, new StructType().add("text", DataTypes.StringType))
                    .coalesce(1))
            .collectAsList();
    for (int row : new int[] {0, 3}) {
      Cli cli =
          Cli.succeed(
              "generate",
              "--adapter",
              adapter,
              "--prompt",
              prompts.get(row).getString(0),
              "--max-tokens",
              12,
              "--kv",
              "h2o:heavy=0.2,recent=0.3",
              "--device",
              "cpu");
      assertEquals(cli.out().strip(), answers.get(row).getString(1).strip());
    }
    assertTrue(answers.get(1).isNullAt(1));
    assertNotNull(answers.get(2).getString(1));
    assertArrayEquals(new int[] {1, 6, 7}, RowGeneration.cut(new int[] {1, 2, 3, 4, 5, 6, 7}, 3));
    assertArrayEquals(new int[] {1, 2}, RowGeneration.cut(new int[] {1, 2}, 2));
  }

  @Test
  void generationOfIdsGivesNoneForNoneAndRefusesWhatIsNoId() {
    SinkLoraModel model =
        SinkLoraModel.ofAdapter(shared.resolve("run-data/adapter").toString())
            .setInputCol("ids")
            .setOutput(SinkLoraOutputParams.GENERATION)
            .setMaxNewTokens(2);
    Dataset<Row> rows =
        spark.sql("SELECT explode(array(array(1L, 300L), CAST(array() AS ARRAY<BIGINT>))) AS ids");
    for (Dataset<Row> frame : List.of(rows, rows.filter("size(ids) = 0"))) {
      for (Row row : model.transform(frame).collectAsList()) {
        assertEquals(row.getList(0).isEmpty(), row.isNullAt(1), row.toString());
      }
    }
    Map<String, String> refused =
        Map.of(
            "array(1L, 4294967301L)",
            "The column 'ids' holds the token id 4294967301, outside the 2,048 of the model",
            "array(1, null)",
            "The column 'ids' has null among the token ids of a row");
    refused.forEach(
        (ids, said) -> {
          Dataset<Row> answers = model.transform(spark.sql("SELECT " + ids + " AS ids"));
          Exception failure = assertThrows(Exception.class, answers::collectAsList);
          String message = FailureReport.describe(failure);
          assertTrue(message.startsWith(said), message);
        });
  }

  @Test
  void columnsKeepTheirMetadata() {
    Dataset<Row> frame =
        spark.sql("SELECT 'public final class' AS `a.b`, 'x' AS kind UNION ALL SELECT 'int', 'y'");
    PipelineStage[] stages = {
      new StringIndexer().setInputCol("kind").setOutputCol("index"),
      SinkLoraModel.ofAdapter(shared.resolve("run-data/adapter").toString()).setInputCol("a.b"),
      new IndexToString().setInputCol("index").setOutputCol("again")
    };
    for (Row row : new Pipeline().setStages(stages).fit(frame).transform(frame).collectAsList()) {
      assertEquals(row.<String>getAs("kind"), row.getAs("again"));
      assertTrue(row.<Double>getAs("perplexity") > 1, row.toString());
    }
  }

  /** Weights that were replaced are read again, in the same session. */
  @Test
  void theModelIsTheOneThatIsThereNow() throws IOException {
    Path copy = Files.createDirectory(folder.resolve("base"));
    try (Stream<Path> files = Files.list(BundledModel.folder())) {
      for (Path file : files.toList()) {
        Files.copy(file, copy.resolve(file.getFileName().toString()));
      }
    }
    SinkLoraModel model =
        SinkLoraModel.ofAdapter(shared.resolve("run-data/adapter").toString())
            .setInputCol("body")
            .setModel(copy.toString());
    Dataset<Row> one = texts.filter("id = 0");
    double before = model.transform(one).first().getDouble(2);
    Path weights = copy.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    // The last tensors are zero now.
    Arrays.fill(bytes, bytes.length - bytes.length / 4, bytes.length, (byte) 0);
    Path fresh = Files.write(folder.resolve("fresh"), bytes);
    Files.move(fresh, weights, StandardCopyOption.REPLACE_EXISTING);
    assertNotEquals(before, model.transform(one).first().getDouble(2), 1e-3);
  }

  @Test
  void aStepWithoutLossIsTold() {
    Dataset<Row> ids =
        spark.sql(
            "SELECT transform(sequence(1, 20), x -> 300 + x) AS ids, transform(sequence(1, 20), x -> -100) AS labels");
    refused(
        "Nothing bears loss in step 1: all labels of its 2 sequences are -100",
        () -> estimator().setInputCol("ids").fit(ids));
  }

  @Test
  void columnsAreChecked() {
    SinkLoraModel model = SinkLoraModel.ofAdapter(shared.resolve("run-data/adapter").toString());
    refused("There is no column 'text', only [id, body]", () -> estimator().fit(texts));
    refused("There is no column 'text', only [id, body]", () -> model.transform(texts));
    refused(
        "The column 'id' is int; inputCol takes texts",
        () -> estimator().setInputCol("id").fit(texts));
    refused(
        "There is a column 'id' already",
        () -> estimator().setInputCol("body").setOutputCol("id").fit(texts));
    refused(
        "maxNewTokens is 64, which leaves no room",
        () ->
            model
                .copy(new ParamMap())
                .setInputCol("body")
                .setOutput("generation")
                .setMaxNewTokens(CONTEXT)
                .transform(texts));
    StructType added = model.setInputCol("body").setOutput("generation").transformSchema(SCHEMA);
    assertEquals(DataTypes.StringType, added.apply("generation").dataType());
    refused(
        "has no adapter", () -> new SinkLoraModel("empty").setInputCol("body").transform(texts));
    refused("is no adapter folder", () -> SinkLoraModel.ofAdapter(folder.toString()));
  }

  private static void refused(String said, Runnable call) {
    String message = assertThrows(RuntimeException.class, call::run).getMessage();
    assertTrue(message.contains(said), message);
  }
}
