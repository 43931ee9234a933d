package org.sinklora.spark;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.List;
import java.util.Map;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;
import org.sinklora.data.BundledModel;
import org.sinklora.data.HeldOutSplit;
import org.sinklora.data.TokenDocuments;
import org.sinklora.data.Tokenizer;
import org.sinklora.lora.Perplexity;

/** Runs the demo, step by step as the commands would. */
final class DemoRun {
  private final SparkSession spark;
  private final Configuration hadoop;
  private final DemoPlan plan;
  private final PrintWriter log;
  private final ObjectNode seconds = new JsonMapper().createObjectNode();

  DemoRun(SparkSession spark, DemoPlan plan, PrintWriter log) {
    this.spark = spark;
    this.hadoop = spark.sparkContext().hadoopConfiguration();
    this.plan = plan;
    this.log = log;
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
    ModelSource base = ModelSource.of(BundledModel.NAME, hadoop);
    ModelSource extended = base.extended(settings.context(), settings.ropeScaling());
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
        new TrainTarget(train, new Path(plan.output(), "run"), true, false, 50, 1, 0, 0);
    timed(
        "train",
        "Training %d steps of %,d tokens with %s attention"
            .formatted(plan.steps(), plan.context(), plan.attention()),
        () -> new TrainingRun(spark, settings, extended, target).run());
    String adapter = target.adapter().toString();
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
          add(perplexity, "base", evaluation.of(spark, base, null));
          add(perplexity, "base+rope", evaluation.of(spark, extended, null));
          return add(perplexity, "adapter", evaluation.of(spark, extended, adapter));
        });
    String exported = plan.output() + "/peft";
    timed(
        "export",
        "Exporting",
        () ->
            Export.write(
                new Export.Request(adapter, null, Export.Format.PEFT, exported, false),
                true,
                hadoop));
    result.put("protocol", evaluation.describe());
    result.put("adapter", exported);
    seconds.put("total", (System.nanoTime() - start) / 1e9);
    result.set("seconds", seconds);
    return result;
  }

  private DataSetInfo prepare(
      ModelSource model, String from, String to, double heldOut, int minimumCharacters)
      throws IOException {
    Path target = new Path(to);
    SparkSessions.storage(spark).checkOutput(target, true, DataSetInfo.FILE);
    TextSources texts = new TextSources(spark, "text", List.of());
    texts.add(plan.corpus().resolve(from).toString());
    try (Tokenizer tokenizer = Tokenizer.load(model.folder(hadoop))) {
      return new Preparation(
              spark,
              new Preparation.Settings(model, new HeldOutSplit(heldOut), minimumCharacters, 0))
          .write(texts.read(), tokenizer, target);
    }
  }

  private ArrayNode add(ArrayNode list, String name, Map<Integer, Perplexity> found) {
    found.forEach(
        (length, perplexity) ->
            list.addObject()
                .put("name", name)
                .put("context", length)
                .put("value", perplexity.value())
                .put("standard_error", perplexity.standardError())
                .put("windows", perplexity.windows()));
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
