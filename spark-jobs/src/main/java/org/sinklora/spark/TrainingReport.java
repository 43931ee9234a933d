package org.sinklora.spark;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.samskivert.mustache.Mustache;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A page about a training run with its settings and curves, which needs nothing but a browser. It
 * is made from what lies in the output folder, so it can be had of a run that goes on, too.
 */
final class TrainingReport {
  static final String FILE = "report.html";

  private static final String TEMPLATE = "training-report.html";

  /** The library that draws the curves in the browser. */
  private static final String PLOT = "/META-INF/resources/webjars/uplot/1.6.30/dist/";

  /** What may not stand in XML. */
  private static final String NO_TEXT =
      "[^\\t\\n\\r\\x20-\\uD7FF\\uE000-\\uFFFD\\x{10000}-\\x{10FFFF}]";

  private static final int SAMPLES = 12;

  private final String run;
  private final JsonNode record;
  private final ArrayNode perplexities;
  private final MetricsHistory metrics;

  private TrainingReport(
      String run, JsonNode record, ArrayNode perplexities, MetricsHistory metrics) {
    this.run = run;
    this.record = record;
    this.perplexities = perplexities;
    this.metrics = metrics;
  }

  /**
   * Writes the report.
   *
   * @param run output folder of a training
   * @param output the page; replaced if it is there
   * @throws UserException if no training has written to the folder
   */
  static void write(Storage storage, String run, String output) throws IOException {
    check(storage, run);
    TrainingReport report =
        new TrainingReport(
            run.contains(":") ? run : storage.absolute(run),
            RunRecord.of(storage, run),
            RunPerplexity.of(storage, run),
            MetricsHistory.read(storage, Storage.child(run, MetricsLog.FILE)));
    storage.writeText(output, report.html());
  }

  /**
   * @throws UserException if no training has written to the folder
   */
  static void check(Storage storage, String run) throws IOException {
    if (!storage.exists(Storage.child(run, MetricsLog.FILE))) {
      throw new UserException(
          "%s has no %s: not an output folder of 'sinklora train'; give the --output of a training"
              .formatted(run, MetricsLog.FILE));
    }
  }

  private String html() {
    Map<String, Object> page = new HashMap<>();
    page.put("title", "Training " + Storage.name(run));
    page.put("run", run);
    page.put("made", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    page.put("warnings", warnings());
    page.put("summary", ReportSummary.of(record, metrics).rows());
    page.put("tables", tables());
    page.put("hasSamples", metrics.size() > 0);
    page.put("samples", samples());
    page.put("hasPerplexities", !perplexities.isEmpty());
    page.put("perplexities", perplexities());
    page.put("charts", script(ReportCharts.of(metrics)));
    page.put("plot", resource(PLOT + "uPlot.iife.min.js"));
    page.put("plotStyle", resource(PLOT + "uPlot.min.css"));
    return Mustache.compiler()
        .escapeHTML(true)
        .withFormatter(value -> value.toString().replaceAll(NO_TEXT, "\uFFFD"))
        .compile(resource(TEMPLATE))
        .execute(page);
  }

  /** JSON that ends no script element and no CDATA section, whatever is in it. */
  private static String script(JsonNode json) {
    return json.toString().replace("<", "\\u003c").replace(">", "\\u003e");
  }

  private static String resource(String name) {
    try (InputStream in = TrainingReport.class.getResourceAsStream(name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private List<String> warnings() {
    List<String> warnings = new ArrayList<>();
    MetricsHistory.Column loss = metrics.column("loss");
    long[] without =
        IntStream.range(0, loss.size())
            .filter(i -> !Double.isFinite(loss.values()[i]))
            .mapToLong(i -> loss.steps()[i])
            .toArray();
    if (without.length > 0) {
      warnings.add(
          "%,d of %,d steps have a loss that is not a finite number, first step %,d: the curves have gaps there."
              .formatted(without.length, loss.size(), without[0]));
    }
    if (metrics.size() == 0) {
      warnings.add("No step is done yet.");
    }
    return warnings;
  }

  private List<ReportTable> tables() {
    JsonNode settings = record.path("settings");
    List<ReportTable> tables = new ArrayList<>();
    tables.add(ReportTable.of("Settings").withAll(settings));
    tables.add(ReportTable.of("Attention").withAll(settings.path("attention")));
    tables.add(ReportTable.of("LoRA").withAll(settings.path("lora")));
    tables.add(ReportTable.of("Optimizer").withAll(settings.path("optimizer")));
    tables.add(
        ReportTable.of("Rounds")
            .withAll(settings.path("rounds"))
            .withAll(record.at("/result/rounds")));
    tables.add(model(record.path("model")));
    JsonNode sets = record.path("data");
    for (int i = 0; i < sets.size(); i++) {
      JsonNode data = sets.get(i);
      tables.add(data(data, record.at("/result/data").path(i), sets.size()));
      tables.add(
          ReportTable.of("Preparation of the data")
              .withAll(data.path("preparation"))
              .with("dropped", data.path("preparation").path("dropped")));
    }
    tables.removeIf(table -> table.rows().isEmpty());
    return tables;
  }

  private static ReportTable model(JsonNode model) {
    JsonNode config = model.path("config");
    return ReportTable.of("Model")
        .with("location", model.path("location"))
        .with("kind", config.path("model_type"))
        .with("layers", config.path("num_hidden_layers"))
        .with("hidden size", config.path("hidden_size"))
        .with("attention heads", config.path("num_attention_heads"))
        .with("key value heads", config.path("num_key_value_heads"))
        .with("vocabulary", config.path("vocab_size"))
        .with("positions", config.path("max_position_embeddings"))
        .with("RoPE scaling", config.path("rope_scaling"));
  }

  private static ReportTable data(JsonNode data, JsonNode taken, int sets) {
    JsonNode info = data.path("info");
    ReportTable table = ReportTable.of("Data").with("location", data.path("location"));
    if (sets > 1) {
      table.with("share of the sequences", data.path("weight"));
    }
    return table
        .with("rows are", info.path("layout"))
        .with("chat template", info.path("chatTemplate"))
        .with("rows to train on", info.at("/train/rows"))
        .with("tokens to train on", info.at("/train/tokens"))
        .with("held-out rows", info.at("/heldOut/rows"))
        .with("held-out tokens", info.at("/heldOut/tokens"))
        .with("sequences of the run", taken.path("sequences"))
        .with("tokens of the run", taken.path("tokens"));
  }

  /** A row of the table of steps. */
  private record Sample(
      long step,
      String loss,
      String learningRate,
      String gradNorm,
      String tokensPerSecond,
      String memory) {}

  /** Some steps in figures, the first and the last among them. */
  private List<Sample> samples() {
    MetricsHistory.Column steps = metrics.column("step");
    int count = steps.size();
    return IntStream.range(0, Math.min(SAMPLES, count))
        .map(i -> count <= SAMPLES ? i : (int) ((long) i * (count - 1) / (SAMPLES - 1)))
        .mapToObj(
            i ->
                new Sample(
                    steps.steps()[i],
                    value("%.4f", "loss", i),
                    value("%.3g", "learning_rate", i),
                    value("%.4f", "grad_norm", i),
                    value("%,.0f", "tokens_per_second", i),
                    value("%,.0f", "memory_mib", i)))
        .toList();
  }

  private String value(String format, String field, int index) {
    MetricsHistory.Column column = metrics.column(field);
    return column.size() == metrics.size() ? format.formatted(column.values()[index]) : "";
  }

  /** A row of the table of perplexities. */
  private record Evaluated(
      String name, String context, String value, String error, String windows) {}

  private List<Evaluated> perplexities() {
    List<Evaluated> rows = new ArrayList<>();
    for (JsonNode row : perplexities) {
      double value = row.path("value").asDouble();
      rows.add(
          new Evaluated(
              row.path("name").asText(),
              "%,d".formatted(row.path("context").asLong()),
              "%.3f".formatted(value),
              "%.3f".formatted(value * row.path("standard_error").asDouble()),
              "%,d".formatted(row.path("windows").asLong())));
    }
    return rows;
  }
}
