package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.BundledModel;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.SourceJar;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.h2o.CachePrecision;
import org.sinklora.h2o.GenerationRequest;
import org.sinklora.h2o.GenerationResult;
import org.sinklora.h2o.KvCachePolicy;
import org.sinklora.h2o.WeightPrecision;
import org.sinklora.lora.Perplexity;

/** Runs the demo, step by step as the commands would. */
final class DemoRun {
  private final SparkSession spark;
  private final Place place;
  private final Storage storage;
  private final DemoPlan plan;
  private final PrintWriter log;
  private final ObjectNode seconds = new JsonMapper().createObjectNode();

  private DemoRun(SparkSession spark, Place place, DemoPlan plan, PrintWriter log) {
    this.spark = spark;
    this.place = place;
    this.storage = SparkSessions.storage(spark);
    this.plan = plan;
    this.log = log;
  }

  static ObjectNode run(String master, DemoPlan plan, PrintWriter log) throws IOException {
    try (SparkSession spark = SparkSessions.open("demo", master);
        Place place = SparkPlace.of(spark)) {
      return new DemoRun(spark, place, plan, log).run();
    }
  }

  /** A step of the demo. */
  @FunctionalInterface
  private interface Step<T> {
    T run() throws IOException;
  }

  /** The result as it stands in the JSON file. */
  ObjectNode run() throws IOException {
    long start = System.nanoTime();
    TrainSettings settings = plan.settings();
    ModelSource base = ModelSource.of(BundledModel.NAME, storage);
    ModelSource extended = settings.trained(base);
    String train = plan.output() + "/data";
    String heldOut = plan.output() + "/heldout";
    timed(
        "prepare",
        "Preparing the texts",
        () -> {
          prepare(base, "train", train, 0, DemoPlan.TRAIN_CHARACTERS);
          return prepare(base, "heldout", heldOut, 1, TokenDocuments.HELD_OUT_CHARACTERS);
        });
    TrainTarget target =
        new TrainTarget(
            DataMix.of(train), Storage.child(plan.output(), "run"), true, false, 50, 1, 0, 0, 1);
    timed(
        "train",
        "Training %d steps of %,d tokens with %s attention"
            .formatted(plan.steps(), plan.context(), plan.attention()),
        () -> new TrainingRun(place, settings, extended, target).run());
    String adapter = target.adapter();
    ObjectNode result = new JsonMapper().createObjectNode();
    ArrayNode perplexity = result.putArray("perplexity");
    PerplexityEvaluation evaluation =
        new PerplexityEvaluation(
            heldOut,
            EvaluationWindows.Protocol.DOCUMENTS,
            List.of(plan.context()),
            1,
            plan.documents(),
            0,
            Integer.MAX_VALUE);
    timed(
        "evaluate",
        "Evaluating on %d held-out files".formatted(plan.documents()),
        () -> {
          evaluate(perplexity, "base", evaluation, target, base, null);
          evaluate(perplexity, "base+rope", evaluation, target, extended, null);
          return evaluate(perplexity, "adapter", evaluation, target, extended, adapter);
        });
    String exported = plan.output() + "/peft";
    timed(
        "export",
        "Exporting",
        () ->
            Export.write(
                new Export.Request(adapter, null, Export.Format.PEFT, exported, false),
                DeviceChoice.cpu("demo"),
                true,
                storage));
    result.set(
        "generation",
        timed(
            "generate",
            "Continuing a held-out file from a cache that keeps a fifth of it",
            () -> generate(extended, adapter)));
    result.put("protocol", evaluation.describe());
    result.put("adapter", exported);
    result.put("report", target.report());
    seconds.put("total", (System.nanoTime() - start) / 1e9);
    result.set("seconds", seconds);
    return result;
  }

  /** Continues the first held-out document with all but the answer of its context as prompt. */
  private ObjectNode generate(ModelSource model, String adapter) throws IOException {
    int threads = Runtime.getRuntime().availableProcessors();
    String heldOut = plan.corpus().resolve("heldout").toString();
    try (TextGeneration generation =
        TextGeneration.open(
            model, adapter, WeightPrecision.FLOAT32, DeviceChoice.cpu("demo"), threads, storage)) {
      int[] prompt =
          Arrays.copyOf(
              generation.prompt(firstText(heldOut)), plan.context() - DemoPlan.GENERATED_TOKENS);
      GenerationRequest request =
          generation
              .request(prompt)
              .optPolicy(KvCachePolicy.parse(DemoPlan.CACHE_POLICY))
              .optMaxTokens(DemoPlan.GENERATED_TOKENS)
              .build();
      GenerationResult generated = generation.run(request);
      return new JsonMapper()
          .createObjectNode()
          .put("policy", DemoPlan.CACHE_POLICY)
          .put("promptTokens", prompt.length)
          .put("tokens", generated.tokens().length)
          .put("cacheBytes", generated.cacheResidentBytes())
          .put(
              "fullCacheBytes",
              generation.fullCacheBytes(prompt, generated.tokens().length, CachePrecision.FLOAT32))
          .put("text", generated.text());
    }
  }

  private String firstText(String folder) throws IOException {
    try (Stream<java.nio.file.Path> jars = Files.list(java.nio.file.Path.of(folder))) {
      java.nio.file.Path jar =
          jars.filter(file -> file.toString().endsWith(".jar")).sorted().findFirst().orElseThrow();
      return SourceJar.read(jar).stream()
          .filter(document -> document.characters() >= TokenDocuments.HELD_OUT_CHARACTERS)
          .findFirst()
          .orElseThrow(() -> new UserException("No text of " + jar + " is long enough to continue"))
          .text();
    }
  }

  private DataSetInfo prepare(
      ModelSource model, String from, String to, double heldOut, int minimumCharacters)
      throws IOException {
    String target = to;
    storage.checkOutput(target, true, DataSetInfo.FILE);
    TextSources texts = new TextSources(storage, List.of());
    texts.add(plan.corpus().resolve(from).toString());
    PreparationSettings settings =
        new PreparationSettings(model, new HeldOutSplit(heldOut), minimumCharacters, 0, null, 0);
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(storage))) {
      return new Preparation(spark, settings)
          .write(texts, "text", tokenizer, target, null, false)
          .info();
    }
  }

  private ArrayNode evaluate(
      ArrayNode list,
      String name,
      PerplexityEvaluation evaluation,
      TrainTarget target,
      ModelSource model,
      String adapter)
      throws IOException {
    Map<Integer, Perplexity> found = evaluation.of(place, model, adapter);
    found.forEach((length, value) -> list.add(RunPerplexity.row(name, length, value)));
    RunPerplexity.add(storage, target.folder(), name, evaluation.describe(), found);
    return list;
  }

  private <T> T timed(String name, String what, Step<T> step) throws IOException {
    log.println(what + " …");
    long start = System.nanoTime();
    T result = step.run();
    seconds.put(name, (System.nanoTime() - start) / 1e9);
    return result;
  }
}
