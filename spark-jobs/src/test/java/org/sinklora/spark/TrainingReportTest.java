package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.sinklora.lora.StepResult;
import org.w3c.dom.Document;

class TrainingReportTest {
  private static final JsonMapper JSON = new JsonMapper();
  private static final Storage STORAGE = new LocalStorage();

  @TempDir private Path folder;

  private void metrics(Path run, double... losses) throws IOException {
    String file = run.resolve("metrics.jsonl").toString();
    try (MetricsLog log = new MetricsLog(STORAGE, file, 0)) {
      for (int i = 0; i < losses.length; i++) {
        log.add(new StepResult(i + 1, losses[i], 2e-5, 0.5, 100), 400, 1000, 3L << 30, null);
      }
    }
  }

  private Document report(Path run) throws IOException {
    Path page = folder.resolve("page.html");
    Cli cli = Cli.succeed("report", "--run", run, "--output", page);
    assertTrue(cli.out().contains("page.html"), cli.out());
    return ReportPage.parse(page);
  }

  private static JsonNode chart(Document page, String title) throws IOException {
    return StreamSupport.stream(ReportPage.charts(page).spliterator(), false)
        .filter(chart -> chart.path("title").asText().equals(title))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no chart " + title));
  }

  @Test
  void oneStepIsEnough() throws IOException {
    metrics(folder, 5.25);
    Document page = report(folder);
    JsonNode loss = chart(page, "Loss");
    assertEquals("[1]", loss.path("steps").toString());
    assertEquals("[5.25]", loss.at("/series/0/values").toString());
    assertEquals(1, loss.path("series").size(), "nothing to smooth");
    assertEquals(
        "[3072.0]",
        chart(page, "Memory of the largest process, MiB").at("/series/0/values").toString());
    assertTrue(page.getDocumentElement().getTextContent().contains("5.2500"));
  }

  @Test
  void noStepIsSaid() throws IOException {
    metrics(folder);
    Document page = report(folder);
    assertTrue(page.getDocumentElement().getTextContent().contains("No step is done yet."));
    assertEquals(0, ReportPage.charts(page).size());
  }

  @Test
  void whatIsNoNumberIsAGapAndAWarning() throws IOException {
    metrics(folder, 3, Double.NaN, Double.POSITIVE_INFINITY, 2);
    Document page = report(folder);
    assertEquals("[3.0,null,null,2.0]", chart(page, "Loss").at("/series/0/values").toString());
    assertTrue(
        page.getDocumentElement()
            .getTextContent()
            .contains("2 of 4 steps have a loss that is not a finite number, first step 2"));
  }

  @Test
  void aRunThatWasKilledHasAReport() throws IOException {
    metrics(folder, 3, 2);
    Path log = folder.resolve("metrics.jsonl");
    Files.writeString(log, Files.readString(log) + "{\"step\":3,\"lo");
    Files.writeString(folder.resolve("run.json"), "{\"settings\":{\"optimizer\":{\"steps\":100}}}");
    Document page = report(folder);
    assertEquals("[1,2]", chart(page, "Loss").path("steps").toString());
    assertTrue(page.getDocumentElement().getTextContent().contains("2 of 100: the run goes on"));
  }

  @Test
  void manyStepsBecomeFewPointsWithoutLosingTheExtremes() throws IOException {
    double[] losses = IntStream.range(0, 100_000).mapToDouble(i -> 3 + Math.sin(i / 1e3)).toArray();
    losses[77_777] = 99;
    losses[12_345] = -5;
    metrics(folder, losses);
    Document page = report(folder);
    assertTrue(Files.size(folder.resolve("page.html")) < 600_000);
    for (JsonNode chart : ReportPage.charts(page)) {
      assertTrue(
          chart.path("steps").size() <= ReportChart.MOST_POINTS, chart.path("title").asText());
      assertEquals(1, chart.at("/steps/0").asInt());
      assertEquals(100_000, chart.path("steps").get(chart.path("steps").size() - 1).asInt());
    }
    String values = chart(page, "Loss").at("/series/0/values").toString();
    assertTrue(values.contains(",99.0,") && values.contains(",-5.0,"));
    assertEquals("smoothed", chart(page, "Loss").at("/series/1/label").asText());
  }

  @Test
  void smoothingForgetsAndSkipsWhatIsNoNumber() {
    double[] values = new double[400];
    for (int i = 0; i < values.length; i++) {
      values[i] = i < 200 ? 4 : 2;
    }
    values[100] = Double.NaN;
    double[] smoothed = ReportChart.smoothed(values);
    assertEquals(4, smoothed[0], 1e-12);
    assertEquals(4, smoothed[100], 1e-12);
    // A fortieth of the steps, ten, is the time in which a change shows to 63 %.
    assertEquals(2 + 2 * Math.pow(0.9, 10), smoothed[209], 1e-6);
    assertEquals(2, smoothed[399], 1e-6);
    assertArrayEquals(new int[] {0, 1, 2}, ReportChart.kept(new double[] {1, 2, 3}, 3));
    double[] steep = {1, 9, Double.POSITIVE_INFINITY, -3, Double.NaN, 2};
    assertArrayEquals(new int[] {0, 1, 3, 5}, ReportChart.kept(steep, 4));
  }

  @Test
  void namesMayHaveAnySigns() throws IOException {
    String hostile = "a <b> & \"c\" 'd' ]]> </script> {{run}} \u0001 \uD83D\uDE00";
    Path run = Files.createDirectory(folder.resolve("run <x> & 'y' ]]> {{z}}"));
    metrics(run, 3, 2);
    ObjectNode record = JSON.createObjectNode();
    record.putObject("settings").put("model", hostile);
    record.putObject("result").put(hostile, hostile).put("seconds", 3725.4);
    Files.writeString(run.resolve("run.json"), record.toString());
    Document page = report(run);
    String shown = hostile.replace('\u0001', '\uFFFD');
    assertEquals(shown, ReportPage.cell(page, "model"));
    String text = page.getDocumentElement().getTextContent();
    assertTrue(text.contains("Training " + run.getFileName()), "title");
    assertTrue(text.contains("1:02:05"), "time");
    assertEquals(0, page.getElementsByTagName("b").getLength());
  }

  @Test
  void roundsShowTheirPartsIfTheMetricsHaveThem() throws IOException {
    Files.writeString(
        folder.resolve("metrics.jsonl"),
        """
        {"step":1,"loss":3}
        {"step":2,"loss":2,"round_seconds":1.5,"compute_seconds":1.4,"bytes_down":2000000,"bytes_up":1000000}
        """);
    Document page = report(folder);
    assertEquals("[2]", chart(page, "Seconds of a round").path("steps").toString());
    assertEquals("[1.4]", chart(page, "Seconds of a round").at("/series/1/values").toString());
    assertEquals("[2.0]", chart(page, "Megabytes of a round").at("/series/0/values").toString());
    List<String> titles = ReportPage.charts(page).findValuesAsText("title");
    assertFalse(titles.contains("Learning rate"), titles.toString());
  }

  @Test
  void answersAloneBearLossInConversations() throws IOException {
    metrics(folder, 3, 2);
    Files.writeString(
        folder.resolve("run.json"), "{\"data\":[{\"info\":{\"chatTemplate\":\"llama2\"}}]}");
    assertTrue(report(folder).getDocumentElement().getTextContent().contains("200 (25.0 %)"));
  }

  @Test
  void aFolderWithoutATrainingIsRefused() {
    Cli cli = Cli.run("report", "--run", folder.resolve("none"));
    assertEquals(1, cli.code());
    assertTrue(cli.err().contains("none has no metrics.jsonl: not an output folder"), cli.err());
  }
}
