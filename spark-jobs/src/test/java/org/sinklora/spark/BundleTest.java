package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.compute.cuda.CudaDevice;

/** A bundle, and its launcher with nothing of this machine's Java in reach. */
@DisabledOnOs(OS.WINDOWS)
class BundleTest {
  private static final JsonMapper JSON = new JsonMapper();

  /** Bytes; the README says so. */
  private static final long LARGEST = 60_000_000;

  private static final Path BUNDLE = Path.of("target", "test-bundle").toAbsolutePath();

  @TempDir private static Path home;
  @TempDir private Path folder;

  /**
   * A run of the launcher.
   *
   * @param code exit code
   * @param said standard output and error
   */
  private record Run(int code, List<String> said) {
    String all() {
      return String.join("\n", said);
    }
  }

  @BeforeAll
  static void bundle() throws IOException {
    FileTree.delete(BUNDLE);
    Path root = Path.of(System.getProperty("sinklora.root"));
    Cli.succeed("bundle", "--output", BUNDLE, "--clone", root, "--tests");
  }

  private Run run(String script, Object... arguments) throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(BUNDLE.resolve(script).toString()));
    for (Object argument : arguments) {
      command.add(argument.toString());
    }
    Path log = folder.resolve("run.log");
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().clear();
    builder.environment().putAll(Map.of("PATH", "/usr/bin:/bin", "HOME", home.toString()));
    Process process = builder.start();
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), () -> command + " does not end");
    // Every start of Java with the Vector API says this.
    List<String> said =
        Files.readAllLines(log).stream()
            .filter(line -> !line.contains("Using incubator modules"))
            .toList();
    return new Run(process.exitValue(), said);
  }

  @Test
  void itIsSmallAndHoldsNoSparkAndNoNd4j() throws IOException {
    try (Stream<Path> libraries = Files.list(BUNDLE.resolve("lib"))) {
      for (Path library : libraries.toList()) {
        String name = library.getFileName().toString();
        assertFalse(
            name.matches("(spark|hadoop|scala|nd4j|openblas|netty|junit).*"), library.toString());
      }
    }
    long tests = FileTree.bytes(BUNDLE.resolve("tests")) + FileTree.bytes(BUNDLE.resolve("clone"));
    long program = FileTree.bytes(BUNDLE) - tests;
    assertTrue(program < LARGEST, "bytes: " + program);
  }

  @Test
  void theDoctorReports() throws IOException, InterruptedException {
    Path json = folder.resolve("doctor.json");
    Run run = run("sinklora", "doctor", "--json", json);
    JsonNode report = JSON.readTree(json.toFile());
    assertEquals("not on the class path", report.at("/spark/found").asText());
    assertTrue(report.at("/model/found").asText().contains("javalm-5m"), run.all());
    boolean gpu = !CudaDevice.list().isEmpty();
    assertEquals(gpu ? 0 : 1, run.code(), run.all());
    String use = report.at("/gpu/use").asText();
    assertTrue(use.contains(gpu ? "cuda:0 computes" : "missing"), run.all());
    assertFalse(report.at("/gpu/found").asText().isBlank(), run.all());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "generate --prompt class --max-tokens 2",
        "train --data a.txt --output run --context 64 --steps 1",
        "eval perplexity --data a.txt --lengths 64",
        "bench decode --lengths 8 --tokens 2"
      })
  void whatComputesNeedsAGpu(String command) throws IOException, InterruptedException {
    Files.writeString(folder.resolve("a.txt"), "public final class Counter {}\n".repeat(100));
    Run run = run("sinklora", (Object[]) command.split(" "));
    if (CudaDevice.list().isEmpty()) {
      assertEquals(1, run.code(), run.all());
      assertEquals(1, run.said().size(), run.all());
      assertTrue(run.all().contains("neither a GPU nor what computes on the CPU"), run.all());
    } else {
      assertEquals(0, run.code(), run.all());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"demo", "prepare --input a.txt --output data"})
  void whatNeedsSparkSaysSo(String command) throws IOException, InterruptedException {
    Run run = run("sinklora", (Object[]) command.split(" "));
    assertEquals(1, run.code(), run.all());
    assertEquals(1, run.said().size(), run.all());
    assertTrue(run.all().contains("needs Spark"), run.all());
  }

  @Test
  void tokenFilesAreMadeWithoutSpark() throws IOException, InterruptedException {
    Files.writeString(folder.resolve("a.txt"), "public final class Counter {}\n".repeat(100));
    Run run = run("sinklora", "prepare", "--input", "a.txt", "--token-files", "--output", "tokens");
    assertEquals(0, run.code(), run.all());
    JsonNode info = JSON.readTree(folder.resolve("tokens/sinklora_dataset.json").toFile());
    long tokens = info.at("/train/tokens").asLong() + info.at("/heldOut/tokens").asLong();
    assertTrue(tokens > 500, info.toString());
    assertEquals(
        2 * tokens,
        Files.size(folder.resolve("tokens/train.bin"))
            + Files.size(folder.resolve("tokens/heldout.bin")));
  }

  @Test
  void theReportOfATrainingNeedsNoSpark() throws IOException, InterruptedException {
    Path training = Files.createDirectory(folder.resolve("training"));
    Files.writeString(training.resolve("metrics.jsonl"), "{\"step\":1,\"loss\":2.5}\n");
    Run run = run("sinklora", "report", "--run", "training");
    assertEquals(0, run.code(), run.all());
    JsonNode charts = ReportPage.charts(ReportPage.parse(training.resolve("report.html")));
    assertEquals("[2.5]", charts.at("/0/series/0/values").toString());
  }

  @Test
  void everyCommandHasHelp() throws IOException, InterruptedException {
    for (String command :
        List.of("", "prepare", "train", "demo", "bundle", "eval perplexity", "report")) {
      Run run = run("sinklora", (Object[]) (command + " --help").strip().split(" "));
      assertEquals(0, run.code(), run.all());
      assertTrue(run.said().get(0).startsWith("Usage: sinklora " + command), run.all());
    }
  }

  @Test
  void theTestsOfTheGpuRun() throws IOException, InterruptedException {
    Run run = run("gpu-tests");
    assertTrue(run.all().contains("tests found"), run.all());
    assertTrue(run.all().contains("0 tests failed"), run.all());
    assertEquals(0, run.code(), run.all());
  }
}
