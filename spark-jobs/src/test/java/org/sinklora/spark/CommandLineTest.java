package org.sinklora.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.sinklora.data.BundledModel;
import org.sinklora.lora.ModelConfig;
import picocli.CommandLine;

/** Help, exit codes, settings files. */
class CommandLineTest {
  private static final JsonMapper JSON = new JsonMapper();

  @TempDir private Path folder;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "prepare",
        "train",
        "eval",
        "eval perplexity",
        "export",
        "generate",
        "bench decode",
        "bench quality",
        "doctor",
        "demo"
      })
  void everyCommandHasHelp(String command) {
    Cli cli = Cli.succeed((Object[]) (command + " --help").strip().split(" "));
    assertTrue(cli.out().startsWith("Usage: sinklora " + command), cli.out());
    assertTrue(command.equals("eval") || cli.out().contains("Example"), cli.out());
  }

  @Test
  void aWrongCommandLineEndsWithTwo() {
    assertUsage(Cli.run(), "Which command?");
    assertUsage(Cli.run("trian"), "trian");
    assertUsage(Cli.run("eval"), "Which evaluation?");
    assertUsage(Cli.run("train", "--data", "x"), "'--output=FOLDER'");
    assertUsage(
        Cli.run("train", "--data", "x", "--output", "y", "--no-such-option"), "--no-such-option");
    assertUsage(
        Cli.run("train", "--data", "x", "--output", "y", "--rank", "eight"), "'eight' is not");
    assertUsage(Cli.run("export", "--adapter", "x", "--format", "gguf", "--output", "y"), "gguf");
  }

  private static void assertUsage(Cli cli, String said) {
    assertEquals(2, cli.code(), cli.err());
    assertTrue(cli.err().contains(said), said + " in: " + cli.err());
    assertTrue(cli.err().contains("--help"), cli.err());
  }

  @Test
  void valuesOutOfRangeAreRefusedBeforeAnythingStarts() {
    for (String[] option :
        new String[][] {
          {"--attention", "flash"},
          {"--group-size", "3"},
          {"--shifted-head-ratio", "2"},
          {"--steps", "0"},
          {"--learning-rate", "-1"},
          {"--rank", "0"},
          {"--schedule", "step"},
          {"--rope-scaling", "ntk"},
          {"--batch-size", "0"},
          {"--checkpoint-every", "0"}
        }) {
      Cli cli =
          Cli.run(
              "train", "--data", "x", "--output", "y", "--context", "1024", option[0], option[1]);
      assertEquals(1, cli.code(), option[0] + cli.err());
      assertEquals(1, cli.err().lines().count(), cli.err());
      assertTrue(cli.err().contains(option[1]), option[0] + ": " + cli.err());
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 5, 70, 4096, 4100})
  void theDefaultGroupSizeFitsAnyContext(int context) throws IOException {
    TrainOptions options = new TrainOptions();
    new CommandLine(options).parseArgs("--context", Integer.toString(context));
    ModelConfig config = ModelConfig.read(BundledModel.folder());
    // Refuses group sizes that can't be shifted by half.
    options.resolve(BundledModel.NAME, config).trainingConfig();
  }

  @Test
  void whatNoModelCanTakeIsRefusedBeforeDataIsLookedFor() {
    for (String[] options :
        new String[][] {
          {"--context -5", "--context is -5; choose 2 or more"},
          {"--group-size -8", "--group-size is -8"},
          {"--rope-scaling yarm", "--rope-scaling is 'yarm'"},
          {"--attention s2 --context 66", "--context 66 is no multiple of --group-size 16"}
        }) {
      String[] train = ("train --data x --output y " + options[0]).split(" ");
      Cli cli = Cli.run((Object[]) train);
      assertEquals(1, cli.code(), cli.err());
      assertTrue(cli.err().contains(options[1]), cli.err());
    }
    Cli evaluation = Cli.run("eval", "perplexity", "--data", "x", "--context", "-5");
    assertTrue(evaluation.err().contains("choose 2 or more"), evaluation.err());
  }

  @Test
  void aLayerThatIsNamedTwiceIsMeantOnce() throws IOException {
    TrainOptions options = new TrainOptions();
    new CommandLine(options).parseArgs("--full-attention-layers", "1,1");
    TrainSettings settings =
        options.resolve(BundledModel.NAME, ModelConfig.read(BundledModel.folder()));
    assertEquals(List.of(1), settings.attention().fullAttentionLayers());
    assertEquals(Set.of(1), settings.trainingConfig().attention().fullAttentionLayers());
  }

  @Test
  void settingsComeFromAFileAndOptionsWin() throws IOException {
    Path yaml =
        Files.writeString(
            folder.resolve("train.yaml"),
            """
            steps: 1
            rank: 2
            alpha: 4
            context: 256
            attention: sf
            sinks: 2
            target-modules: [q_proj, v_proj]
            gradient-checkpointing: true
            """);
    JsonNode settings = train(yaml, "yaml", "--rank", "3");
    assertEquals(1, settings.at("/optimizer/steps").asInt());
    assertEquals(3, settings.at("/lora/rank").asInt());
    assertEquals(4, settings.at("/lora/alpha").asInt());
    assertEquals("[\"q_proj\",\"v_proj\"]", settings.at("/lora/targetModules").toString());
    assertEquals(2, settings.at("/attention/sinks").asInt());
    assertEquals(64, settings.at("/attention/groupSize").asInt());
    assertTrue(settings.at("/optimizer/gradientCheckpointing").asBoolean());

    Path properties =
        Files.writeString(
            folder.resolve("train.properties"), "steps=1\ncontext=256\nattention=full\n");
    assertEquals("full", train(properties, "properties").at("/attention/pattern").asText());
  }

  private JsonNode train(Path config, String name, Object... more) throws IOException {
    Path json = folder.resolve(name + ".json");
    Path output = folder.resolve(name);
    Cli.succeed(
        SampleData.with(
            new Object[] {
              "train",
              "--config",
              config,
              "--data",
              SampleData.folder(),
              "--output",
              output,
              "--json",
              json,
              "--master",
              "local[1]"
            },
            more));
    JsonNode settings = JSON.readTree(json.toFile()).path("settings");
    JsonNode saved = JSON.readTree(output.resolve("adapter/sinklora_config.json").toFile());
    assertEquals(settings, saved.path("training"));
    return settings;
  }

  @Test
  void aSettingsFileWithMistakes() throws IOException {
    Path file = Files.writeString(folder.resolve("a.yaml"), "rnak: 8\n");
    Cli unknown = Cli.run("train", "--config", file, "--data", "x", "--output", "y");
    assertUsage(unknown, "sets 'rnak'");
    Files.writeString(file, "lora:\n  rank: 8\n");
    assertUsage(Cli.run("train", "--config", file, "--data", "x", "--output", "y"), "flat");
    Files.writeString(file, "a: [");
    assertUsage(Cli.run("train", "--config", file, "--data", "x", "--output", "y"), "no YAML");
    assertUsage(Cli.run("train", "--config", "no.yaml", "--data", "x", "--output", "y"), "no.yaml");
    Files.writeString(file, "context=64\nsteps=1\n");
    assertUsage(Cli.run("train", "--config", file, "--data", "x", "--output", "y"), "NAME: VALUE");
    Files.writeString(file, "- context: 64\n");
    assertUsage(Cli.run("train", "--config", file, "--data", "x", "--output", "y"), "a list");
    Path ending = Files.writeString(folder.resolve("set.conf"), "context=64\n");
    assertUsage(
        Cli.run("train", "--config", ending, "--data", "x", "--output", "y"), ".properties");
  }

  @Test
  void theDoctorReports() throws IOException {
    Path json = folder.resolve("doctor.json");
    Cli cli = Cli.succeed("doctor", "--json", json);
    for (String subject : new String[] {"java", "memory", "cores", "vectors", "blas", "gpu"}) {
      assertTrue(cli.out().contains(subject), cli.out());
      assertTrue(JSON.readTree(json.toFile()).has(subject), subject);
    }
  }
}
